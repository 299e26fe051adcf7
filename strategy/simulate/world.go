package simulate

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// World is everything around one Rollout.
type World struct {
	Now     time.Time
	Rollout *v1alpha1.Rollout
	// Image stands for the pod template: it is the name, and here also the hash, of the revision that the spec asks for.
	Image   string
	Invalid string
	// Sets are the ReplicaSets in the order of their creation.
	Sets []*strategy.Revision
	// Services by name; the value is the hash of their selector.
	Services map[string]*strategy.Service
	// Held is the canary weight that the routes hold; Data is what the data plane does, which follows when Program is called.
	Held, Data int32
	Routed     bool
	// Most caps how many pods of a revision can become available; a revision that is absent has no cap.
	Most map[string]int32
	// Frozen keeps the data plane from following the routes.
	Frozen bool
	// Reports is true when a gateway confirms routes; Confirmed whether it has confirmed what they hold.
	Reports, Confirmed bool
	// Headers and Mirrors are the managed routes that the routes hold.
	Headers []v1alpha1.SetHeaderRoute
	Mirrors []v1alpha1.SetMirrorRoute
	Runs    []v1alpha1.AnalysisRun
	Library analysis.Library
	Pods    []strategy.Pod
}

// New makes a world for a Rollout in which nothing exists yet but its Services.
func New(r *v1alpha1.Rollout, now time.Time) *World {
	w := &World{Now: now, Rollout: r.DeepCopy(), Services: map[string]*strategy.Service{}, Image: "v1"}
	w.Rollout.Generation = 1
	var names []string
	switch s := r.Spec.Strategy; {
	case s.Canary != nil:
		names = []string{s.Canary.StableService, s.Canary.CanaryService}
		w.Routed = s.Canary.TrafficRouting != nil
	case s.BlueGreen != nil:
		names = []string{s.BlueGreen.ActiveService, s.BlueGreen.PreviewService}
	}
	for _, name := range names {
		if name != "" {
			w.Services[name] = &strategy.Service{Name: name, Exists: true}
		}
	}
	return w
}

// Observe reads the world as it is now.
func (w *World) Observe() strategy.Observation {
	o := strategy.Observation{
		Now: w.Now, Rollout: w.Rollout.DeepCopy(), Invalid: w.Invalid, Current: w.Image, Routed: w.Routed, Library: w.Library,
	}
	if w.Invalid != "" {
		o.Current = w.Rollout.Status.CurrentPodHash
	}
	for _, s := range w.Sets {
		o.Revisions = append(o.Revisions, *s)
	}
	sort.SliceStable(o.Revisions, func(i, j int) bool { return o.Revisions[i].Number > o.Revisions[j].Number })
	for _, r := range w.Runs {
		o.Runs = append(o.Runs, *r.DeepCopy())
	}
	if c := w.Rollout.Spec.Strategy.Canary; c != nil {
		o.Stable, o.Canary = w.service(c.StableService), w.service(c.CanaryService)
	}
	if b := w.Rollout.Spec.Strategy.BlueGreen; b != nil {
		o.Stable, o.Canary = w.service(b.ActiveService), w.service(b.PreviewService)
	}
	if w.Routed {
		o.Traffic = trafficrouting.Observed{Lowest: w.Held, Highest: w.Held, Exact: true, Confirmation: w.confirmation()}
		w.compareRoutes(&o.Traffic)
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

// compareRoutes holds the managed routes against those that the Rollout asks for, as a router does.
func (w *World) compareRoutes(t *trafficrouting.Observed) {
	want := strategy.Split(w.Rollout)
	for _, h := range w.Headers {
		if slices.ContainsFunc(want.Headers, func(x v1alpha1.SetHeaderRoute) bool { return equality.Semantic.DeepEqual(x, h) }) {
			t.Headers = append(t.Headers, h.Name)
		} else {
			t.Extra = append(t.Extra, h.Name)
		}
	}
	for _, m := range w.Mirrors {
		if slices.ContainsFunc(want.Mirrors, func(x v1alpha1.SetMirrorRoute) bool { return equality.Semantic.DeepEqual(x, m) }) {
			t.Mirrors = append(t.Mirrors, m.Name)
		} else {
			t.Extra = append(t.Extra, m.Name)
		}
	}
}

func (w *World) confirmation() trafficrouting.Confirmation {
	switch {
	case !w.Reports:
		return trafficrouting.Unreported
	case w.Confirmed:
		return trafficrouting.Confirmed
	}
	return trafficrouting.Pending
}

// Write is one write of a plan, as it would reach the API server.
type Write struct {
	// Lines tell the write in a story.
	Lines []string
	Do    func()
}

// Writes lists the writes of a plan in the order in which they are best made; the status comes last.
func (w *World) Writes(plan strategy.Plan) []Write {
	var writes []Write
	if t := plan.Traffic; t != nil {
		var lines []string
		if t.Why != nil {
			lines = []string{line(*t.Why)}
		}
		lines = append(lines, w.routeLines(t.Split)...)
		writes = append(writes, Write{Lines: lines, Do: func() {
			w.Held, w.Confirmed = t.Split.Canary.Weight, false
			w.Headers, w.Mirrors = t.Split.Headers, t.Split.Mirrors
		}})
	}
	for _, i := range plan.Point {
		writes = append(writes, Write{Lines: []string{line(i.Why)}, Do: func() {
			w.Services[i.Service].Hash, w.Services[i.Service].Managed = i.Hash, true
		}})
	}
	for _, i := range plan.Scale {
		writes = append(writes, Write{Lines: lines(i.Why), Do: func() { w.scale(i) }})
	}
	for _, i := range plan.Start {
		writes = append(writes, Write{Lines: []string{line(i.Why)}, Do: func() { w.start(i.Run) }})
	}
	for _, name := range plan.Stop {
		writes = append(writes, Write{Lines: []string{"Terminated: " + name}, Do: func() { w.run(name).Spec.Terminate = true }})
	}
	for _, name := range plan.Forget {
		writes = append(writes, Write{Lines: []string{"Deleted: " + name}, Do: func() {
			w.Runs = slices.DeleteFunc(w.Runs, func(r v1alpha1.AnalysisRun) bool { return r.Name == name })
		}})
	}
	for _, name := range plan.Prune {
		writes = append(writes, Write{Lines: []string{"Deleted: " + name}, Do: func() {
			w.Sets = slices.DeleteFunc(w.Sets, func(s *strategy.Revision) bool { return s.Name == name })
		}})
	}
	for _, name := range plan.Evict {
		writes = append(writes, Write{Lines: []string{"Evicted: " + name}, Do: func() { w.evict(name) }})
	}
	if s := plan.Stamp; s != nil {
		writes = append(writes, Write{Do: func() { w.stamp(s) }})
	}
	return append(writes, Write{Lines: lines(plan.Notes), Do: func() { w.Rollout.Status = *plan.Status.DeepCopy() }})
}

// routeLines tell which managed routes a split adds and which it removes.
func (w *World) routeLines(s trafficrouting.Split) (lines []string) {
	before, after := map[string]bool{}, map[string]bool{}
	for _, h := range w.Headers {
		before["header route "+h.Name] = true
	}
	for _, m := range w.Mirrors {
		before["mirror route "+m.Name] = true
	}
	for _, h := range s.Headers {
		after["header route "+h.Name] = true
	}
	for _, m := range s.Mirrors {
		after["mirror route "+m.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if !before[name] {
			lines = append(lines, "Added "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if !after[name] {
			lines = append(lines, "Removed "+name)
		}
	}
	return lines
}

func line(n strategy.Note) string { return n.Reason + ": " + n.Message }

func lines(notes []strategy.Note) (all []string) {
	for _, n := range notes {
		all = append(all, line(n))
	}
	return all
}

func (w *World) scale(i strategy.ReplicaSetIntent) {
	s := w.Set(i.Hash)
	if s == nil {
		s = &strategy.Revision{Name: i.Name, Hash: i.Hash, Created: w.Now, Desired: -1}
		w.Sets = append(w.Sets, s)
	}
	if i.Replicas != nil {
		s.Spec = *i.Replicas
		w.Settle(s)
	}
	if i.Desired != nil {
		s.Desired = *i.Desired
	}
	if i.Revision != 0 {
		s.Number, s.History = i.Revision, i.History
	}
	if i.MinReadySeconds != nil {
		s.MinReadySeconds = *i.MinReadySeconds
	}
	if i.Deadline != nil {
		s.Deadline = nil
		if at, err := time.Parse(time.RFC3339, *i.Deadline); err == nil {
			s.Deadline = &at
		}
	}
}

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

// Start creates a run unless one of that name exists, as an API server would.
func (w *World) start(run *v1alpha1.AnalysisRun) {
	if w.run(run.Name) != nil {
		return
	}
	run = run.DeepCopy()
	run.CreationTimestamp = metav1.NewTime(w.Now.Truncate(time.Second))
	w.Runs = append(w.Runs, *run)
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

// evict takes a pod away; its ReplicaSet makes a new one, which is not available yet.
func (w *World) evict(name string) {
	for i := range w.Pods {
		if p := &w.Pods[i]; p.Name == name {
			if s := w.Set(p.Hash); s != nil && p.Available {
				s.Available--
				s.Ready--
			}
			p.Name, p.Created, p.Available = name+"'", w.Now, false
		}
	}
}

func (w *World) stamp(s *strategy.Stamp) {
	if s.Replicas != nil {
		w.Rollout.Spec.Replicas = ptr.To(*s.Replicas)
	}
	if s.Revision != 0 {
		if w.Rollout.Annotations == nil {
			w.Rollout.Annotations = map[string]string{}
		}
		w.Rollout.Annotations[v1alpha1.AnnotationRevision] = strconv.FormatInt(s.Revision, 10)
	}
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
	for i := range w.Pods {
		w.Pods[i].Available = true
	}
	w.Program()
	return lines
}

// Program lets the data plane take over what the routes hold.
func (w *World) Program() {
	if !w.Frozen {
		w.Data, w.Confirmed = w.Held, true
	}
}

// Judge gives every unfinished run a verdict, and ends those that were told to stop.
func (w *World) Judge(phase v1alpha1.AnalysisPhase, message string) {
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
