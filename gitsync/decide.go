package gitsync

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Decide says what to do about an Application now. It does not change what was observed, and the same observation gives the same plan.
func Decide(o Observation) Plan {
	d := newDecision(o)
	switch {
	case o.App.DeletionTimestamp != nil:
		d.remove()
	case d.refuse():
		d.blind(d.refusal)
	case d.unsourced():
	default:
		d.guard()
		d.promise()
		d.remember()
		d.operate()
		d.judge()
		d.revert()
	}
	d.finishStatus()
	d.plan.App, d.plan.secrets, d.plan.before = d.app, d.mask, o.App
	return d.plan
}

// decision is one Decide under way. Its parts fill in app, which becomes what is stored, and plan.
type decision struct {
	o        Observation
	living   map[Key]*Live
	app      *gitopsv1.Application
	now      metav1.Time
	prepared Prepared
	items    []item
	rejected []brought
	mask     Mask
	refusal  gitopsv1.ApplicationCondition
	// conditions are those of this pass; conditions that later passes must find again are kept on purpose, all others go.
	conditions []gitopsv1.ApplicationCondition
	plan       Plan
}

func newDecision(o Observation) *decision {
	o.Live = awaitWorkloads(o.Live)
	d := &decision{o: o, living: o.living(), app: o.App.DeepCopy(), now: metav1.NewTime(o.Now.UTC().Truncate(time.Second))}
	d.prepared, d.items = o.prepared(o.Target), o.compare(o.Target)
	objects := slices.Clone(d.prepared.Objects)
	if o.Running != nil {
		objects = append(objects, o.Running.Objects...)
	}
	for i := range o.Live {
		objects = append(objects, o.Live[i].Object)
	}
	d.mask = NewMask(objects...).And(o.Secrets...)
	return d
}

// revision is the one of a single source, or of the first of several.
func (m Material) revision() string {
	if len(m.Revisions) == 0 {
		return ""
	}
	return m.Revisions[0]
}

func (d *decision) condition(kind gitopsv1.ApplicationConditionType, message string) {
	d.conditions = append(d.conditions, gitopsv1.ApplicationCondition{Type: kind, Message: message})
}

func (d *decision) note(kind, reason, message string) {
	d.plan.Notes = append(d.plan.Notes, Note{kind, reason, d.mask.Text(message)})
}

// again asks for another look after a time, unless an earlier one is asked for.
func (d *decision) again(after time.Duration) {
	after = max(after, time.Millisecond)
	if d.plan.After == 0 || after < d.plan.After {
		d.plan.After = after
	}
}

// blind says that nothing could be compared.
func (d *decision) blind(why gitopsv1.ApplicationCondition) {
	d.conditions = append(d.conditions, why)
	d.app.Status.Sync.Status = gitopsv1.SyncUnknown
	d.app.Status.Sync.ComparedTo = comparedTo(d.app.Spec)
	d.setHealth(gitopsv1.HealthStatus{Status: gitopsv1.HealthUnknown})
	d.endWith(gitopsv1.OperationError, why.Message)
}

// unsourced reports whether there are no manifests to compare with. While a repository cannot be asked, what was known stays true for a while.
func (d *decision) unsourced() bool {
	if d.o.Target.Problem == "" {
		return false
	}
	left := d.o.Target.Grace
	known := d.app.Status.Sync.Status
	waits := d.o.Target.Unreachable && left > 0 && known != "" && known != gitopsv1.SyncUnknown
	if waits {
		d.bide(left)
	}
	problem := "Failed to load target state: " + d.o.Target.Problem
	if !waits || BeginsByHand(d.app) { // whoever asked for something is told why it does not begin
		d.condition(gitopsv1.ConditionComparisonError, problem)
	}
	if !waits {
		d.app.Status.Sync.Status = gitopsv1.SyncUnknown
		d.app.Status.Sync.ComparedTo = comparedTo(d.app.Spec)
	}
	switch {
	case d.asksForOther():
		d.operate()
	case !waits:
		d.endWith(gitopsv1.OperationError, problem)
	}
	return true
}

// bide keeps what was known for a time. Whoever waits for a sync that cannot begin is told the latest reason alone.
func (d *decision) bide(left time.Duration) {
	d.again(left)
	d.conditions = slices.Clone(d.app.Status.Conditions)
	if BeginsByHand(d.app) {
		d.again(AskAgain)
		d.conditions = slices.DeleteFunc(d.conditions, func(c gitopsv1.ApplicationCondition) bool { return c.Type == gitopsv1.ConditionComparisonError })
	}
}

// asksForOther reports whether the operation is of manifests that were had, or may be once it has begun: a rollback must not wait until the newest
// commit is mended.
func (d *decision) asksForOther() bool {
	op := d.app.Operation
	if op == nil || op.Sync == nil {
		return false
	}
	if SyncUnderWay(d.app) == nil {
		return revisionAsked(*op) != "" || len(op.Sync.Manifests) > 0
	}
	return d.o.Running != nil && d.o.Running.Problem == ""
}

// endWith ends the operation under way because nothing can be compared.
func (d *decision) endWith(phase gitopsv1.OperationPhase, message string) {
	if d.app.Operation == nil {
		return
	}
	if s := d.app.Status.OperationState; s == nil || s.Phase.Completed() {
		d.start(*d.app.Operation)
	}
	d.end(phase, message)
}

func comparedTo(spec gitopsv1.ApplicationSpec) gitopsv1.ComparedTo {
	to := gitopsv1.ComparedTo{Destination: spec.Destination, IgnoreDifferences: spec.IgnoreDifferences}
	if gitopsv1.HasSeveralSources(spec) {
		to.Sources = spec.Sources
	} else if spec.Source != nil {
		to.Source = *spec.Source
	}
	return to
}

// finishStatus fills in what every pass brings: conditions with the moment at which they came, and what changed.
func (d *decision) finishStatus() {
	s, before := &d.app.Status, d.o.App.Status
	s.ControllerNamespace = d.o.ControlNamespace
	s.ResourceHealthSource = ""
	s.Conditions = d.dated(before.Conditions)
	if s.OperationState != nil {
		s.OperationState.Message = d.mask.Text(s.OperationState.Message)
	}
	_, asked := d.app.Annotations[gitopsv1.AnnotationRefresh]
	delete(d.app.Annotations, gitopsv1.AnnotationRefresh)
	if asked || s.ReconciledAt == nil || before.Sync.Revision != s.Sync.Revision || before.Sync.Status != s.Sync.Status {
		s.ReconciledAt = &d.now
	}
	if before.Sync.Status != s.Sync.Status {
		d.note(corev1.EventTypeNormal, "ResourceUpdated", "Updated sync status: "+string(before.Sync.Status)+" -> "+string(s.Sync.Status))
	}
	if before.Health.Status != s.Health.Status {
		d.note(corev1.EventTypeNormal, "ResourceUpdated", "Updated health status: "+string(before.Health.Status)+" -> "+string(s.Health.Status))
	}
}

// dated sorts the conditions and lets those that say what they said before keep their moment.
func (d *decision) dated(before []gitopsv1.ApplicationCondition) []gitopsv1.ApplicationCondition {
	var after []gitopsv1.ApplicationCondition
	for _, c := range d.conditions {
		c.Message = d.mask.Text(c.Message)
		c.LastTransitionTime = &d.now
		for _, b := range before {
			if b.Type == c.Type && b.Message == c.Message {
				c.LastTransitionTime = b.LastTransitionTime
			}
		}
		if !slices.ContainsFunc(after, func(a gitopsv1.ApplicationCondition) bool { return a.Type == c.Type && a.Message == c.Message }) {
			after = append(after, c)
		}
	}
	slices.SortStableFunc(after, func(a, b gitopsv1.ApplicationCondition) int {
		return cmp.Or(strings.Compare(string(a.Type), string(b.Type)), strings.Compare(a.Message, b.Message))
	})
	return after
}

// imagesOf lists the container images that a manifest names, each once, sorted.
func imagesOf(o *unstructured.Unstructured) (images []string) {
	for _, path := range [][]string{{"spec"}, {"spec", "template", "spec"}, {"spec", "jobTemplate", "spec", "template", "spec"}} {
		for _, list := range []string{"containers", "initContainers"} {
			containers, _, _ := unstructured.NestedFieldNoCopy(o.Object, append(slices.Clone(path), list)...)
			all, _ := containers.([]any)
			for _, c := range all {
				one, _ := c.(map[string]any)
				if image, ok := one["image"].(string); ok && image != "" {
					images = append(images, image)
				}
			}
		}
	}
	slices.Sort(images)
	return slices.Compact(images)
}
