package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// Write is one write of a plan, as it would reach the API server.
type Write struct {
	// Object is what is written: its kind and name, such as set/web-v1; the Rollout, its routes and its workload go by their kind alone.
	Object string
	// Lines tell the write in a story.
	Lines []string
	Do    func()
}

// Writes lists the writes of a plan in the order in which they are best made; the status comes last.
func (w *World) Writes(plan strategy.Plan) []Write {
	writes := make([]Write, 0, 8)
	add := func(object string, do func(), lines ...string) {
		writes = append(writes, Write{Object: object, Lines: lines, Do: do})
	}
	if t := plan.Traffic; t != nil {
		var lines []string
		if t.Why != nil {
			lines = []string{line(*t.Why)}
		}
		add("route", func() { w.Routes.Apply(t.Split) }, append(lines, w.Routes.lines(t.Split)...)...)
	}
	for _, i := range plan.Point {
		add("service/"+i.Service, func() { w.Services[i.Service].Hash, w.Services[i.Service].Managed = i.Hash, true }, line(i.Why))
	}
	for _, i := range plan.Scale {
		add("set/"+i.Name, func() { w.scale(i) }, append(lines(i.Why), dressLines(i)...)...)
	}
	w.runWrites(&plan, add)
	w.experimentWrites(&plan, add)
	if i := plan.Workload; i != nil {
		add("workload", func() { w.Workload.scale(i.Replicas) }, line(i.Why))
	}
	for _, name := range plan.Prune {
		add("set/"+name, func() {
			w.Sets = slices.DeleteFunc(w.Sets, func(s *strategy.Revision) bool { return s.Name == name })
		}, "Deleted: "+name)
	}
	for _, name := range plan.Evict {
		add("pod/"+name, func() { w.evict(name) }, "Evicted: "+name)
	}
	if s := plan.Stamp; s != nil {
		add("rollout", func() { w.stamp(s) })
	}
	add("rollout", func() { w.record(plan.Status) }, lines(plan.Notes)...)
	return writes
}

func (w *World) runWrites(plan *strategy.Plan, add func(object string, do func(), lines ...string)) {
	for _, i := range plan.Start {
		add("run/"+i.Run.Name, func() { w.start(i.Run) }, line(i.Why))
	}
	for _, name := range plan.Stop {
		add("run/"+name, func() {
			w.Runs = slices.Clone(w.Runs)
			w.run(name).Spec.Terminate = true
		}, "Terminated: "+name)
	}
	for _, name := range plan.Forget {
		add("run/"+name, func() {
			w.Runs = slices.DeleteFunc(slices.Clone(w.Runs), func(r v1alpha1.AnalysisRun) bool { return r.Name == name })
		}, "Deleted: "+name)
	}
}

func line(n strategy.Note) string { return n.Reason + ": " + n.Message }

func lines(notes []strategy.Note) (all []string) {
	for _, n := range notes {
		all = append(all, line(n))
	}
	return all
}

// dressLines tell what a write of a ReplicaSet changes about its pods besides their number.
func dressLines(i strategy.ReplicaSetIntent) (all []string) {
	if i.Metadata != nil {
		all = append(all, fmt.Sprintf("Pods of %s carry labels %v and annotations %v for their role", i.Name, i.Metadata.Labels, i.Metadata.Annotations))
	}
	if i.AntiAffinity != nil {
		all = append(all, fmt.Sprintf("Pods of %s keep away from those of %s", i.Name, i.Avoid))
	}
	return all
}

// record puts a new status in place of the old one.
func (w *World) record(status v1alpha1.RolloutStatus) {
	next := *w.Rollout
	next.Status = status
	w.Rollout = &next
}

func (w *World) scale(i strategy.ReplicaSetIntent) {
	s := w.Set(i.Hash)
	if s == nil {
		s = &strategy.Revision{Name: i.Name, Hash: i.Hash, Created: w.made().Time, Desired: -1}
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
	if i.Metadata != nil {
		s.Metadata = *i.Metadata
	}
	if i.Deadline != nil {
		s.Deadline = nil
		if at, err := time.Parse(time.RFC3339, *i.Deadline); err == nil {
			s.Deadline = &at
		}
	}
}

// start creates a run unless one of that name exists, as an API server would. Runs are kept in the order in which they are observed.
func (w *World) start(run *v1alpha1.AnalysisRun) {
	if w.run(run.Name) != nil {
		return
	}
	made := *run
	made.CreationTimestamp = w.made()
	w.Runs = append(slices.Clone(w.Runs), made)
	slices.SortFunc(w.Runs, func(a, b v1alpha1.AnalysisRun) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
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
	w.Rollout = w.Rollout.DeepCopy()
	if s.Replicas != nil {
		w.Rollout.Spec.Replicas = ptr.To(*s.Replicas)
	}
	note := func(name, value string) {
		if w.Rollout.Annotations == nil {
			w.Rollout.Annotations = map[string]string{}
		}
		w.Rollout.Annotations[name] = value
	}
	if s.Revision != 0 {
		note(v1alpha1.AnnotationRevision, strconv.FormatInt(s.Revision, 10))
	}
	if s.WorkloadGeneration != 0 {
		note(v1alpha1.AnnotationWorkloadGeneration, strconv.FormatInt(s.WorkloadGeneration, 10))
	}
}

// scale sets the size of the workload; pods that are too many are gone at once.
func (w *Workload) scale(replicas int32) {
	w.Replicas, w.Available = &replicas, min(w.Available, replicas)
}
