package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/test/stage"
)

// sightings are what watches of the API server told last, by name.
type sightings struct {
	mu       sync.Mutex
	rollouts map[string]*v1alpha1.Rollout
	weights  map[string]weight
}

// weight is the canary's share in a route, and when it was first seen.
type weight struct {
	canary int32
	at     time.Time
}

// watch goes on until ctx ends.
func watch(ctx context.Context, s *stage.Stage) (*sightings, error) {
	all, err := cache.New(s.Cluster.Config(), cache.Options{
		Scheme: s.Client.Scheme(), DefaultNamespaces: map[string]cache.Config{namespace: {}},
	})
	if err != nil {
		return nil, err
	}
	g := &sightings{rollouts: map[string]*v1alpha1.Rollout{}, weights: map[string]weight{}}
	for kind, note := range map[client.Object]func(any){
		&v1alpha1.Rollout{}:    func(o any) { g.rollout(o.(*v1alpha1.Rollout)) },
		&gatewayv1.HTTPRoute{}: func(o any) { g.route(o.(*gatewayv1.HTTPRoute)) },
	} {
		informer, err := all.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, err
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: note, UpdateFunc: func(_, o any) { note(o) }}); err != nil {
			return nil, err
		}
	}
	go func() { _ = all.Start(ctx) }() // it has no error but that of a second start
	if !all.WaitForCacheSync(ctx) {
		return nil, errors.New("the watches of the cluster did not begin")
	}
	return g, nil
}

func (g *sightings) rollout(r *v1alpha1.Rollout) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rollouts[r.Name] = r
}

func (g *sightings) route(r *gatewayv1.HTTPRoute) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	canary := ptr.Deref(r.Spec.Rules[0].BackendRefs[1].Weight, 1)
	if before, known := g.weights[r.Name]; !known || before.canary != canary {
		g.weights[r.Name] = weight{canary: canary, at: now}
	}
}

// healthy tells whether a Rollout has brought a version to its end.
func (g *sightings) healthy(name, version string) bool {
	r := g.get(name)
	return r != nil && strings.Contains(string(r.Spec.Template.Raw), ":"+version+`"`) && r.Status.ObservedGeneration == fmt.Sprint(r.Generation) &&
		r.Status.Phase == v1alpha1.RolloutPhaseHealthy
}

// get is the Rollout as it was seen last, or nil.
func (g *sightings) get(name string) *v1alpha1.Rollout {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rollouts[name]
}

func (g *sightings) weight(name string) weight {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.weights[name]
}
