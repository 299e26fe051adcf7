package main

import (
	"fmt"
	"strings"
	"time"
)

// gitReport is all that was measured of Git-sync.
type gitReport struct {
	machine  string
	together counts
	resident int
	pushes   []pushed
	herd     herd
}

func (r *gitReport) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks of Git-sync

Written by %[1]smake bench%[1]s on %[2]s, on %[3]s.

The controller is the built program, run as its service account against a real API server with etcd; the repositories are served over HTTP by git
itself. All of it shares the machine. Repositories are asked every %[4]s s, where two minutes are usual.

## An idle controller

100 Applications, each of a Rollout, its two Services and its route: **%[5]d MiB** resident (target: 100). Requests to the API server in %.0[6]f s, in
which each repository was asked at least once, besides lease and watches: %[7]s.

## From a push to the cluster

From the end of a push that changes one manifest until a watch shows the change, a second apart or more: %[8]d times each where the Git server tells the
webhook, and %[9]d times where it tells nobody and the next poll finds the push, which comes %[4]s s to %[10]s s after the one before.

| Manifests | Found by | Median | Best | Worst | Target |
|---:|---|---:|---:|---:|---:|
`, "`", time.Now().UTC().Format(time.DateOnly), r.machine, fmt.Sprint(poll.Seconds()), r.resident, restFor.Seconds(), listing(r.together), pushes, polled, fmt.Sprint((poll + poll/2).Seconds()))
	for _, p := range r.pushes {
		fmt.Fprintf(&b, "| %d | webhook | %s | 1 s |\n", p.manifests, spread(p.told))
		fmt.Fprintf(&b, "| %d | poll | %s | the poll |\n", p.manifests, spread(p.found))
	}
	h := r.herd
	fmt.Fprintf(&b, `
## A thousand Applications

%d Applications of four objects each, in folders of one repository, are created at once. The last one was synced and healthy **%.1f s** after the
first was created (target: 60 s), at %.0f writes a second, %d in all: %s.
Sixteen clients that do nothing but write small objects got %.0f writes a second out of the same API server.
A commit that changes two objects of each was synced everywhere **%.1f s** after its push, of which the webhook was told.

The controller had at most **%d MiB** meanwhile (target: 200), and %d MiB after it had come to rest.

A commit that changes no manifest costs, beside lease and watches: %s. At rest, in %.0f s: %s.
`, h.apps, h.first.Seconds(), float64(h.writes.sum())/h.first.Seconds(), h.writes.sum(), h.writes, h.alone, h.second.Seconds(),
		h.memory, h.after, listing(h.nothing), restFor.Seconds(), listing(h.quiet))
	return b.String()
}

func listing(c counts) string {
	if len(c) == 0 {
		return "none"
	}
	return c.String()
}
