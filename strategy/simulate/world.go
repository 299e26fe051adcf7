package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// World is everything around one Rollout.
type World struct {
	Now time.Time
	// Ahead is how far the clock of the API server, which dates what is created, is ahead of Now.
	Ahead time.Duration
	// Rollout, Runs and Experiments are shared with whoever observes the World: who keeps an Observation must put others in their place instead of changing them.
	Rollout     *v1alpha1.Rollout
	Runs        []v1alpha1.AnalysisRun
	Experiments []v1alpha1.Experiment
	// Image stands for the pod template: it is the name, and here also the hash, of the revision that the spec asks for.
	Image   string
	Invalid string
	// Sets are the ReplicaSets in the order of their creation.
	Sets []*strategy.Revision
	// Services by name; the value is the hash of their selector.
	Services map[string]*strategy.Service
	Routes
	// Most caps how many pods of a revision can become available; a revision that is absent has no cap.
	Most    map[string]int32
	Library analysis.Library
	Pods    []strategy.Pod
	// Workload is what workloadRef names; nil for none.
	Workload *Workload
}

// Workload is a workload with pods of its own, which a Service meets as long as it selects those of every revision.
type Workload struct {
	strategy.Workload
	Available int32
}

// Routed reports whether the Rollout divides its traffic through routes.
func (w *World) Routed() bool { return v1alpha1.HasRouter(w.Rollout) }

// New makes a world for a Rollout in which nothing exists yet but its Services.
func New(r *v1alpha1.Rollout, now time.Time) *World {
	w := &World{Now: now, Rollout: r.DeepCopy(), Services: map[string]*strategy.Service{}, Image: "v1"}
	w.Rollout.Generation = 1
	stable, canary := servicesOf(r)
	for _, name := range []string{stable, canary} {
		if name != "" {
			w.Services[name] = &strategy.Service{Name: name, Exists: true}
		}
	}
	return w
}

// servicesOf names the Services of the stable and of the new revision, whatever the strategy calls them.
func servicesOf(r *v1alpha1.Rollout) (stable, canary string) {
	switch s := r.Spec.Strategy; {
	case s.Canary != nil:
		return s.Canary.StableService, s.Canary.CanaryService
	case s.BlueGreen != nil:
		return s.BlueGreen.ActiveService, s.BlueGreen.PreviewService
	}
	return "", ""
}

// Observe reads the world as it is now.
func (w *World) Observe() strategy.Observation {
	o := strategy.Observation{
		Now: w.Now, Rollout: w.Rollout, Invalid: w.Invalid, Current: w.Image, Routed: w.Routed(), Library: w.Library,
		Runs: w.Runs[:len(w.Runs):len(w.Runs)], Experiments: w.Experiments[:len(w.Experiments):len(w.Experiments)],
	}
	o.Templates = w.Templates(w.Rollout)
	if w.Invalid != "" {
		o.Current = w.Rollout.Status.CurrentPodHash
	}
	o.Revisions = make([]strategy.Revision, 0, len(w.Sets))
	for _, s := range w.Sets {
		o.Revisions = append(o.Revisions, *s)
	}
	slices.SortStableFunc(o.Revisions, func(a, b strategy.Revision) int { return cmp.Compare(b.Number, a.Number) })
	stable, canary := servicesOf(w.Rollout)
	o.Stable, o.Canary = w.service(stable), w.service(canary)
	if w.Workload != nil {
		o.Workload = &strategy.Workload{}
		*o.Workload = w.Workload.Workload
	}
	if o.Routed {
		o.Asked = strategy.Split(w.Rollout, w.Experiments...).Additional
		o.Traffic, o.TrafficError = w.Routes.Observe(w.Rollout, w.Experiments...), w.Trouble
	}
	if strategy.Restarting(w.Rollout, w.Now) {
		o.Pods = slices.Clone(w.Pods)
	}
	return o
}

func (w *World) service(name string) strategy.Service {
	if s := w.Services[name]; s != nil {
		return *s
	}
	return strategy.Service{Name: name}
}

// made is the date of what is created now.
func (w *World) made() metav1.Time { return metav1.NewTime(w.Now.Add(w.Ahead).Truncate(time.Second)) }

// Settle lets the number of pods of a ReplicaSet follow its spec; new pods are not yet available, and the unavailable ones go first.
func (w *World) Settle(s *strategy.Revision) {
	s.Replicas = s.Spec
	s.Available = min(s.Available, s.Replicas)
	s.Ready = s.Available
}

// Set finds a ReplicaSet by its hash; nil if there is none.
func (w *World) Set(hash string) *strategy.Revision {
	for _, s := range w.Sets {
		if s.Hash == hash {
			return s
		}
	}
	return nil
}

// Delete removes a ReplicaSet and its pods, by its hash.
func (w *World) Delete(hash string) {
	w.Sets = slices.DeleteFunc(w.Sets, func(s *strategy.Revision) bool { return s.Hash == hash })
}

func (w *World) run(name string) *v1alpha1.AnalysisRun {
	for i := range w.Runs {
		if w.Runs[i].Name == name {
			return &w.Runs[i]
		}
	}
	return nil
}

// AddPod adds a pod that a restart may evict.
func (w *World) AddPod(name, hash string) {
	w.Pods = append(w.Pods, strategy.Pod{Name: name, Hash: hash, Created: w.Now, Available: true})
}

// Available makes every pod available that can be, and lets the data plane follow the routes.
func (w *World) Available() (lines []string) {
	for _, s := range w.Sets {
		can := s.Replicas
		if most, capped := w.Most[s.Hash]; capped {
			can = min(can, most)
		}
		switch {
		case s.Available < can:
			lines = append(lines, fmt.Sprintf("%d pods of %s become available", can-s.Available, s.Hash))
		case s.Available > can:
			lines = append(lines, fmt.Sprintf("%d pods of %s are no longer available", s.Available-can, s.Hash))
		}
		s.Ready, s.Available = can, can
	}
	lines = append(lines, w.Begin()...)
	for i := range w.Pods {
		w.Pods[i].Available = true
	}
	w.Program()
	return lines
}

// Judge gives every unfinished run a verdict, and ends those that were told to stop.
func (w *World) Judge(phase v1alpha1.AnalysisPhase, message string) {
	w.Runs = slices.Clone(w.Runs)
	for i := range w.Runs {
		r := &w.Runs[i]
		if r.Status.Phase.Completed() {
			continue
		}
		r.Status.Phase, r.Status.Message = phase, message
		if r.Spec.Terminate {
			r.Status.Phase, r.Status.Message = v1alpha1.AnalysisPhaseSuccessful, "Run Terminated"
		}
	}
}
