package main

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// steps are those of the releases whose writes are counted.
const steps = "[{setWeight: 10}, {setWeight: 25}, {setWeight: 50}, {setWeight: 100}]"

// release is what one release cost the API server.
type release struct {
	replicas int
	writes   counts
	events   int
	took     time.Duration
}

// countWrites releases apps of several sizes, one after the other, and counts until the old pods are gone too.
func (f *fleet) countWrites(ctx context.Context, r *report) error {
	for _, a := range []app{
		{name: "small", replicas: 4, steps: steps}, {name: "middle", replicas: 40, steps: steps}, {name: "large", replicas: 200, steps: steps},
	} {
		one, err := f.countRelease(ctx, a)
		if err != nil {
			return err
		}
		r.releases = append(r.releases, one)
	}
	return nil
}

// countRelease makes an app, releases its second version, and takes it away again.
func (f *fleet) countRelease(ctx context.Context, a app) (release, error) {
	if err := f.create(ctx, a); err != nil {
		return release{}, err
	}
	if err := f.quiet(ctx); err != nil {
		return release{}, err
	}
	mark, err := f.audit.mark()
	if err != nil {
		return release{}, err
	}
	start := time.Now()
	if err := f.release(ctx, a, "v2"); err != nil {
		return release{}, err
	}
	if err := f.allHealthy(ctx, []app{a}, "v2"); err != nil {
		return release{}, err
	}
	took := time.Since(start)
	if err := f.quiet(ctx); err != nil {
		return release{}, err
	}
	all, err := f.audit.since(mark)
	if err != nil {
		return release{}, err
	}
	return release{
		replicas: a.replicas, took: took,
		writes: count(all, request.kind, func(r request) bool { return r.isController() && r.writes() && !r.isBeside() }),
		events: count(all, request.kind, func(r request) bool { return r.isController() && r.writes() && r.ObjectRef.Resource == "events" }).sum(),
	}, f.Client.Delete(ctx, f.seen.get(a.name), client.PropagationPolicy("Background"))
}
