package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// report is all that was measured.
type report struct {
	machine  string
	releases []release
	verdicts []time.Duration
	aborts   []time.Duration
	crowd    crowd
	idle     []idle
}

// machine describes the computer.
func machine() string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d × %s, %s/%s, %s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks

Written by %[1]smake bench%[1]s on %[2]s, on %[3]s.

The controller is the built program, run as its service account against a real API server with etcd, Kubernetes' own controllers and
scheduler. Nodes, pods and the gateway are played by the benchmark. All of it shares the machine, so the times are those of a busy one.

## Writes of one release

Steps 10/25/50/100 through an HTTPRoute, from the new image until the old pods are gone. Requests are counted in the API server's audit
log by user agent; events are listed beside, the lease is left out. Target: at most 24, at any size.

| Replicas | Writes | Events | Time | What was written |
|---:|---:|---:|---:|---|
`, "`", time.Now().UTC().Format(time.DateOnly), r.machine)
	for _, l := range r.releases {
		fmt.Fprintf(&b, "| %d | **%d** | %d | %.1f s | %s |\n", l.replicas, l.writes.sum(), l.events, l.took.Seconds(), l.writes)
	}
	fmt.Fprintf(&b, `
## Reactions

Each was timed %d times with 4 replicas, with the canary at 10 %%, until a watch of the HTTPRoute showed weight 0.

| From | Median | Best | Worst | Target |
|---|---:|---:|---:|---:|
`, rounds)
	fmt.Fprintf(&b, "| a bad sample is served by Prometheus | %s | 50 ms |\n", spread(r.verdicts))
	fmt.Fprintf(&b, "| an abort is asked for | %s | 30 ms |\n", spread(r.aborts))
	fmt.Fprintf(&b, `
## A hundred releases at once

%d Rollouts of 2 replicas, each with its HTTPRoute, are given a new image with steps 20/50/100. The last one was healthy after
**%.1f s** (target: 13.8 s). Meanwhile the API server took %.0f writes a second, %d in all: %s.
Sixteen clients that do nothing but write small objects got %.0f writes a second out of the same API server, which is the limit.

## An idle controller

Its requests in %.0f seconds without any change, and its resident memory. Each Rollout has two Services, a route and a ReplicaSet or two;
those beyond the first hundred have no pods, of which the controller keeps nothing in memory.

| Rollouts | Requests | Memory |
|---:|---|---:|
`, r.crowd.apps, r.crowd.took.Seconds(), r.crowd.own, r.crowd.writes.sum(), r.crowd.writes, r.crowd.alone, idleFor.Seconds())
	for _, i := range r.idle {
		fmt.Fprintf(&b, "| %d | %s | %d MiB |\n", i.rollouts, i.requests, i.resident)
	}
	return b.String()
}

// spread is the median, the least and the most of sorted times.
func spread(sorted []time.Duration) string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d.Microseconds())/1000) }
	return fmt.Sprintf("**%s** | %s | %s", ms(sorted[len(sorted)/2]), ms(sorted[0]), ms(sorted[len(sorted)-1]))
}
