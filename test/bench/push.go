package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/test/forge"
)

// pushes is how often a push is timed of which a webhook tells, and polled how often one that a poll finds.
const (
	pushes = 15
	polled = 5
)

// pushed is how long a push took to reach the cluster.
type pushed struct {
	manifests int
	// told are by a webhook, found by a poll; both are sorted.
	told, found []time.Duration
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {a: \"VALUE\"}\n"

// between is the time from one push to the next: webhooks are acted on twice a second, and what is timed is not how long they wait for each other.
const between = time.Second

// timePushes times from the end of a push, of which the Git server tells the webhook or nobody, until a watch shows the change of the one manifest that it
// changed.
func (g *gitsync) timePushes(ctx context.Context, r *gitReport) error {
	for _, manifests := range []int{10, 1000} {
		one, err := g.timePushesOf(ctx, manifests)
		if err != nil {
			return err
		}
		r.pushes = append(r.pushes, one)
	}
	return nil
}

func (g *gitsync) timePushesOf(ctx context.Context, manifests int) (pushed, error) {
	name := fmt.Sprintf("push-%d", manifests)
	work, err := g.build(ctx, name, manifests)
	if err != nil {
		return pushed{}, err
	}
	changes, err := g.Client.Watch(ctx, &corev1.ConfigMapList{}, client.InNamespace(name))
	if err != nil {
		return pushed{}, err
	}
	defer changes.Stop()
	one := site{gitsync: g, name: name, work: work, changes: changes}
	result := pushed{manifests: manifests}
	if result.told, err = one.pushAll(ctx, pushes); err != nil {
		return pushed{}, err
	}
	g.Forge.Hush(true)
	defer g.Forge.Hush(false)
	result.found, err = one.pushAll(ctx, polled)
	return result, err
}

// site is a repository, the Application that brings it, and a watch of what that makes.
type site struct {
	*gitsync
	name    string
	work    *forge.Copy
	changes apiwatch.Interface
	value   int
}

// pushAll times some pushes.
func (s *site) pushAll(ctx context.Context, n int) (took []time.Duration, err error) {
	pace := time.NewTicker(between)
	defer pace.Stop()
	for range n {
		select {
		case <-pace.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		s.value++
		value := strconv.Itoa(s.value)
		sha, err := commit(ctx, s.work, value, map[string][]byte{"all/7.yaml": fill(configMap, "one-7", value)})
		if err != nil {
			return nil, err
		}
		start := time.Now()
		if err := arrival(ctx, s.changes, value); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
		if err := s.allSettled(ctx, s.name, 1, sha); err != nil {
			return nil, err
		}
	}
	slices.Sort(took)
	return took, nil
}

// build makes a namespace, a repository with so many manifests, and an Application that has brought them.
func (g *gitsync) build(ctx context.Context, name string, manifests int) (*forge.Copy, error) {
	if err := g.makeNamespace(ctx, name); err != nil {
		return nil, err
	}
	work, err := g.Forge.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for i := range manifests {
		files[fmt.Sprintf("all/%d.yaml", i)] = fill(configMap, fmt.Sprintf("one-%d", i), "0")
	}
	sha, err := commit(ctx, work, "first", files)
	if err != nil {
		return nil, err
	}
	if err := g.point(ctx, name+"-0", work, "all", name); err != nil {
		return nil, err
	}
	return work, g.allSettled(ctx, name, 1, sha)
}

// arrival returns when a watch shows a value in the manifest that is changed.
func arrival(ctx context.Context, changes apiwatch.Interface, value string) error {
	for {
		select {
		case event, open := <-changes.ResultChan():
			if !open {
				return fmt.Errorf("the watch ended before %s was applied", value)
			}
			if m, ok := event.Object.(*corev1.ConfigMap); ok && m.Name == "one-7" && m.Data["a"] == value {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
