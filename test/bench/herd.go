package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-delivery/sluice/test/forge"
)

// herd is what many Applications at once came to.
type herd struct {
	apps           int
	first, second  time.Duration
	writes         counts // of the first sync, by client
	alone          float64
	memory, after  int // MiB: the most while they synced, and a minute later
	nothing, quiet counts
}

// four are the objects of one Application.
const four = `
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME-one}
data: {a: "VALUE"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME-two}
data: {a: "VALUE"}
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {ports: [{port: 80, targetPort: 8080}], selector: {app: NAME}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME}
`

const herdSize = 1000

// syncHerd points many Applications at folders of one repository, changes all of them by one commit, and then none by another.
func (g *gitsync) syncHerd(ctx context.Context, r *gitReport) error {
	h := &r.herd
	h.apps = herdSize
	var err error
	if h.alone, err = g.writeRate(ctx); err != nil {
		return err
	}
	if err := g.makeNamespace(ctx, "herd"); err != nil {
		return err
	}
	work, err := g.Forge.Create(ctx, "herd")
	if err != nil {
		return err
	}
	sha, err := commit(ctx, work, "first", herdFiles("first"))
	if err != nil {
		return err
	}
	if err := g.firstSync(ctx, h, work, sha); err != nil {
		return err
	}
	if h.memory, err = g.highest(); err != nil {
		return err
	}
	if err := g.quiet(ctx); err != nil {
		return err
	}
	start := time.Now()
	if sha, err = commit(ctx, work, "second", herdFiles("second")); err != nil {
		return err
	}
	if err := g.allSettled(ctx, "herd", herdSize, sha); err != nil {
		return err
	}
	h.second = time.Since(start)
	return g.changeNothing(ctx, h, work)
}

func herdFiles(value string) map[string][]byte {
	files := map[string][]byte{}
	for i := range herdSize {
		files[fmt.Sprintf("apps/%d/all.yaml", i)] = fill(four, fmt.Sprintf("herd-%d", i), value)
	}
	return files
}

// firstSync times from the creation of the first Application until the last is synced and healthy.
func (g *gitsync) firstSync(ctx context.Context, h *herd, work *forge.Copy, sha string) error {
	if err := g.forgetHighest(); err != nil {
		return err
	}
	mark, err := g.audit.mark()
	if err != nil {
		return err
	}
	start := time.Now()
	group, making := errgroup.WithContext(ctx)
	group.SetLimit(20)
	for i := range herdSize {
		group.Go(func() error {
			return g.point(making, fmt.Sprintf("herd-%d", i), work, fmt.Sprintf("apps/%d", i), "herd")
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := g.allSettled(ctx, "herd", herdSize, sha); err != nil {
		return err
	}
	h.first = time.Since(start)
	all, err := g.audit.since(mark)
	if err != nil {
		return err
	}
	h.writes = count(all, func(r request) string { return agent(r) + ": " + r.kind() }, func(r request) bool {
		return r.writes() && !r.isBeside() || r.isController() && r.ObjectRef.Resource == "events"
	})
	return nil
}

// changeNothing pushes a commit that changes no manifest.
func (g *gitsync) changeNothing(ctx context.Context, h *herd, work *forge.Copy) error {
	if err := g.quiet(ctx); err != nil {
		return err
	}
	mark, err := g.audit.mark()
	if err != nil {
		return err
	}
	sha, err := commit(ctx, work, "nothing", map[string][]byte{"README.md": []byte("About the herd.\n")})
	if err != nil {
		return err
	}
	if err := g.allSettled(ctx, "herd", herdSize, sha); err != nil {
		return err
	}
	if err := g.quiet(ctx); err != nil {
		return err
	}
	if h.nothing, err = g.since(mark); err != nil {
		return err
	}
	h.quiet, h.after, err = g.rest(ctx)
	return err
}

// rest watches the controller do nothing.
func (g *gitsync) rest(ctx context.Context) (counts, int, error) {
	mark, err := g.audit.mark()
	if err != nil {
		return nil, 0, err
	}
	select {
	case <-time.After(restFor):
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	asked, err := g.since(mark)
	if err != nil {
		return nil, 0, err
	}
	resident, err := g.resident()
	return asked, resident, err
}

// restFor is how long a controller at rest is watched: every repository is asked at least once meanwhile.
const restFor = 2 * poll

// idleTogether brings up Applications that hold one Rollout each, and watches the controller with both kinds do nothing.
func (g *gitsync) idleTogether(ctx context.Context, r *gitReport) error {
	const many = 100
	if err := g.makeNamespace(ctx, "idle"); err != nil {
		return err
	}
	work, err := g.Forge.Create(ctx, "idle")
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	for i := range many {
		a := app{name: fmt.Sprintf("idle-%d", i), replicas: 0, steps: crowded}
		files["apps/"+a.name+"/all.yaml"] = []byte(strings.Join([]string{string(a.fill(surroundings, "")), string(a.fill(rollout, "v1"))}, "\n---\n"))
	}
	sha, err := commit(ctx, work, "first", files)
	if err != nil {
		return err
	}
	for i := range many {
		name := fmt.Sprintf("idle-%d", i)
		if err := g.point(ctx, name, work, "apps/"+name, "idle"); err != nil {
			return err
		}
	}
	if err := g.allSettled(ctx, "idle", many, sha); err != nil {
		return err
	}
	if err := g.quiet(ctx); err != nil {
		return err
	}
	r.together, r.resident, err = g.rest(ctx)
	return err
}
