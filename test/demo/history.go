package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/test/stage"
)

// history is what was seen of the cluster, each thing with the moment at which it was seen.
type history struct {
	// Reader has the cluster as it is now, without asking the API server.
	client.Reader
	begin time.Time

	mu       sync.Mutex
	news     []entry
	weights  []weight
	verdicts []verdict
	measured map[types.UID]int
	told     map[types.UID]int32 // count of each event
	states   []state
	asked    []manifest
}

// entry is one line of what happened.
type entry struct {
	at   time.Time
	kind string
	tone string // an escape sequence, or empty
	text string
}

// weight is a change of the canary's share in the route. The version orders it among all writes of the cluster.
type weight struct {
	at      time.Time
	canary  int32
	version string
}

// verdict is the end of an analysis run, and the version of the write that told it.
type verdict struct {
	at      time.Time
	run     *v1alpha1.AnalysisRun
	version string
}

// watch begins to keep the history of a stage's namespace. It goes on until ctx ends.
func watch(ctx context.Context, s *stage.Stage) (*history, error) {
	all, err := cache.New(s.Cluster.Config(), cache.Options{
		Scheme: s.Client.Scheme(), DefaultNamespaces: map[string]cache.Config{namespace: {}},
		ByObject: map[client.Object]cache.ByObject{
			&gitopsv1.Application{}: {Namespaces: map[string]cache.Config{gitopsv1.DefaultControlNamespace: {}}},
		},
	})
	if err != nil {
		return nil, err
	}
	h := &history{Reader: all, begin: time.Now(), measured: map[types.UID]int{}, told: map[types.UID]int32{}}
	for kind, note := range map[client.Object]func(any){
		&gatewayv1.HTTPRoute{}:  func(o any) { h.route(o.(*gatewayv1.HTTPRoute)) },
		&v1alpha1.AnalysisRun{}: func(o any) { h.run(o.(*v1alpha1.AnalysisRun)) },
		&v1alpha1.Rollout{}:     func(o any) { h.rollout(o.(*v1alpha1.Rollout)) },
		&corev1.Event{}:         func(o any) { h.event(o.(*corev1.Event)) },
		&gitopsv1.Application{}: func(o any) { h.application(o.(*gitopsv1.Application)) },
	} {
		informer, err := all.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, err
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: note, UpdateFunc: func(_, o any) { note(o) }}); err != nil {
			return nil, err
		}
	}
	go func() {
		if err := all.Start(ctx); err != nil {
			h.tell("trouble", red, "watching the cluster: %v", err)
		}
	}()
	if !all.WaitForCacheSync(ctx) {
		return nil, errors.New("the watches of the cluster did not begin")
	}
	return h, nil
}

// tell adds a line to what happened.
func (h *history) tell(kind, tone, format string, arguments ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(kind, tone, fmt.Sprintf(format, arguments...))
}

func (h *history) add(kind, tone, text string) {
	h.news = append(h.news, entry{at: time.Now(), kind: kind, tone: tone, text: text})
}

func (h *history) route(r *gatewayv1.HTTPRoute) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var canary int32
	for _, backend := range r.Spec.Rules[0].BackendRefs {
		if backend.Name == canaryService {
			canary = ptr.Deref(backend.Weight, 1)
		}
	}
	if len(h.weights) == 0 || h.weights[len(h.weights)-1].canary != canary {
		h.weights = append(h.weights, weight{at: time.Now(), canary: canary, version: r.ResourceVersion})
		h.add("route", bold, fmt.Sprintf("%d %% to the stable Service, %d %% to the canary's", 100-canary, canary))
	}
}

func (h *history) run(r *v1alpha1.AnalysisRun) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range r.Status.MetricResults {
		for _, taken := range m.Measurements[min(h.measured[r.UID], len(m.Measurements)):] {
			h.add("analysis", toneOf(taken.Phase), fmt.Sprintf("%s: Prometheus says %s, %s", r.Name, cut(taken.Value, 8), taken.Phase))
		}
		h.measured[r.UID] = len(m.Measurements)
	}
	known := slices.ContainsFunc(h.verdicts, func(v verdict) bool { return v.run.UID == r.UID })
	if r.Status.Phase.Completed() && !known {
		h.verdicts = append(h.verdicts, verdict{at: time.Now(), run: r, version: r.ResourceVersion})
		h.add("analysis", toneOf(r.Status.Phase), fmt.Sprintf("%s: %s %s", r.Name, r.Status.Phase, r.Status.Message))
	}
}

func toneOf(phase v1alpha1.AnalysisPhase) string {
	switch phase {
	case v1alpha1.AnalysisPhaseSuccessful:
		return green
	case v1alpha1.AnalysisPhaseFailed, v1alpha1.AnalysisPhaseError:
		return red
	}
	return yellow
}

func (h *history) event(e *corev1.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.InvolvedObject.Kind != "Rollout" || h.told[e.UID] == max(e.Count, 1) {
		return
	}
	h.told[e.UID] = max(e.Count, 1)
	tone := ""
	if e.Type == corev1.EventTypeWarning {
		tone = red
	}
	h.add("event", tone, e.Reason+": "+e.Message)
}

// weightAfter is the first change of the route to a weight that is holds of, from a moment on.
func (h *history) weightAfter(from time.Time, is func(canary int32) bool) (weight, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.weights, func(w weight) bool { return !w.at.Before(from) && is(w.canary) })
	if i < 0 {
		return weight{}, false
	}
	return h.weights[i], true
}

// lastCarried is the last moment at which the canary got a share.
func (h *history) lastCarried() (at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.weights {
		if w.canary > 0 {
			at = w.at
		}
	}
	return at
}

// verdictAfter is the first end of an analysis run that began after a moment.
func (h *history) verdictAfter(from time.Time) (verdict, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.verdicts, func(v verdict) bool {
		return !v.run.CreationTimestamp.Time.Before(from.Truncate(time.Second)) // the API server counts whole seconds
	})
	if i < 0 {
		return verdict{}, false
	}
	return h.verdicts[i], true
}

// since are the lines from the given one on.
func (h *history) since(line int) []entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.news[min(line, len(h.news)):])
}
