package gitsync

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// judge writes what the comparison found: the sync state, the objects, the health, the summary.
func (d *decision) judge() {
	s := &d.app.Status
	d.conditions = append(d.conditions, d.prepared.Warnings...)
	s.Sync = gitopsv1.SyncStatus{Status: d.syncStatus(), ComparedTo: comparedTo(d.app.Spec)}
	s.SourceType, s.SourceTypes = "", nil
	if gitopsv1.HasSeveralSources(d.app.Spec) {
		s.Sync.Revisions, s.SourceTypes = d.o.Target.Revisions, d.o.Target.SourceTypes
	} else {
		s.Sync.Revision = d.o.Target.revision()
		if len(d.o.Target.SourceTypes) > 0 {
			s.SourceType = d.o.Target.SourceTypes[0]
		}
	}
	s.Resources = nil
	var images, addresses []string
	s.Summary.IsAppOfApps = false
	for _, it := range d.items {
		s.Resources = append(s.Resources, d.resource(it))
		from := it.desired
		if it.live != nil {
			from = it.live.Object
			addresses = append(addresses, addressesOf(from)...)
		}
		images = append(images, imagesOf(from)...)
		s.Summary.IsAppOfApps = s.Summary.IsAppOfApps || it.key.Group == groupRollouts && it.key.Kind == "Application"
		if it.foreign != "" {
			d.condition(gitopsv1.ConditionSharedResourceWarning, sharedWarning(it, d.app))
		}
		if it.problem != "" {
			d.condition(gitopsv1.ConditionComparisonError, it.problem)
		}
		if it.live != nil && it.live.Health.Problem != "" {
			d.condition(gitopsv1.ConditionComparisonError, it.live.Health.Problem)
		}
	}
	d.warnOfOrphans()
	s.Resources = append(s.Resources, d.hooks()...)
	slices.SortStableFunc(s.Resources, func(a, b gitopsv1.ResourceStatus) int { return compareKeys(keyOfStatus(a), keyOfStatus(b)) })
	slices.Sort(images)
	s.Summary.Images = slices.Compact(images)
	s.Summary.ExternalURLs = d.shownAddresses(addresses)
	d.setHealth(d.health())
}

func keyOfStatus(r gitopsv1.ResourceStatus) Key { return Key{r.Group, r.Kind, r.Namespace, r.Name} }

func (d *decision) syncStatus() gitopsv1.SyncStatusCode {
	state := gitopsv1.SyncSynced
	if d.namespaceAsked() {
		state = gitopsv1.SyncOutOfSync
	}
	for _, it := range d.items {
		if it.problem != "" {
			return gitopsv1.SyncUnknown
		}
		if it.differs && !(it.desired == nil && comparesAs(it.live.Object, "IgnoreExtraneous")) {
			state = gitopsv1.SyncOutOfSync
		}
	}
	return state
}

func comparesAs(o *unstructured.Unstructured, option string) bool {
	return slices.Contains(listed(annotation(o, gitopsv1.AnnotationCompareOptions)), option)
}

func (d *decision) resource(it item) gitopsv1.ResourceStatus {
	from := it.desired
	if from == nil {
		from = it.live.Object
	}
	r := gitopsv1.ResourceStatus{
		Group: it.key.Group, Version: from.GroupVersionKind().Version, Kind: it.key.Kind, Namespace: it.key.Namespace, Name: it.key.Name,
		Status: gitopsv1.SyncSynced, SyncWave: int64(WaveOf(from)),
	}
	switch {
	case it.problem != "":
		r.Status = gitopsv1.SyncUnknown
	case it.differs:
		r.Status = gitopsv1.SyncOutOfSync
	}
	r.RequiresPruning = it.desired == nil
	if it.live != nil {
		r.RequiresDeletionConfirmation = d.asksBefore(it.live.Object)
	}
	if h := d.healthOf(it); h.Status != "" {
		r.Health = &gitopsv1.HealthStatus{Status: gitopsv1.HealthCode(h.Status), Message: d.mask.Text(h.Message)}
	}
	return r
}

// healthOf is the health of an object, for the manifest that Git holds: what lives in the state of an older commit, while an operation is about to
// change it, has not shown anything for this one.
func (d *decision) healthOf(it item) Health {
	switch {
	case it.live == nil:
		return Health{Status: Missing}
	case it.live.Health.Status == Healthy && it.differs && it.desired != nil && d.willApply(it):
		return Health{Status: Progressing, Message: "waiting for " + short(d.o.Target.revision()) + " to be applied"}
	}
	return it.live.Health
}

// willApply reports whether a sync under way, or one that nobody need ask for, is going to change an object.
func (d *decision) willApply(it item) bool {
	if !d.isFree(it) {
		return false
	}
	s := d.app.Status.OperationState
	return d.app.Operation != nil && s != nil && !s.Phase.Completed()
}

// hooks lists the hook objects that live, so that a deletion finds them.
func (d *decision) hooks() (all []gitopsv1.ResourceStatus) {
	name := TrackingName(d.app, d.o.ControlNamespace)
	for i := range d.o.Live {
		o := d.o.Live[i].Object
		if _, hook := HooksOf(o); !hook || TrackedBy(o) != name {
			continue
		}
		k := KeyOf(o)
		r := gitopsv1.ResourceStatus{Group: k.Group, Version: o.GroupVersionKind().Version, Kind: k.Kind, Namespace: k.Namespace, Name: k.Name, Hook: true}
		if h := d.o.Live[i].Health; h.Status != "" {
			r.Health = &gitopsv1.HealthStatus{Status: gitopsv1.HealthCode(h.Status), Message: d.mask.Text(h.Message)}
		}
		all = append(all, r)
	}
	return all
}

// worst orders health from best to worst.
var worst = []HealthStatus{Healthy, Suspended, Progressing, Missing, Degraded, Unknown}

// namedCauses is how many objects the message of an unhealthy Application names.
const namedCauses = 3

// health is the worst of the objects' own. Objects without a check do not count, nor do missing ones as long as anything lives; a commit that was
// rejected makes the Application Degraded even if what lives instead of it is well.
func (d *decision) health() gitopsv1.HealthStatus {
	anyLives := slices.ContainsFunc(d.items, func(it item) bool { return it.live != nil })
	state := Healthy
	var causes []string
	for _, it := range d.items {
		h := d.healthOf(it)
		if !d.countsForHealth(it, h, anyLives) {
			continue
		}
		at, is := slices.Index(worst, h.Status), slices.Index(worst, state)
		if at > is {
			state, causes = h.Status, nil
		}
		if h.Status == state && state != Healthy {
			causes = append(causes, fmt.Sprintf("%s/%s:%s/%s", it.key.Group, it.key.Kind, it.key.Namespace, it.key.Name))
		}
	}
	for _, b := range d.rejected {
		d.condition(gitopsv1.ConditionSyncError, b.sentence())
	}
	message := ""
	if len(causes) > 0 {
		message = strings.Join(causes[:min(namedCauses, len(causes))], ", ")
		if more := len(causes) - namedCauses; more > 0 {
			message += fmt.Sprintf(" and %d more", more)
		}
	}
	if len(d.rejected) > 0 && state != Unknown {
		state, message = Degraded, d.rejected[0].sentence()
	}
	return gitopsv1.HealthStatus{Status: gitopsv1.HealthCode(state), Message: d.mask.Text(message)}
}

func (d *decision) countsForHealth(it item, h Health, anyLives bool) bool {
	switch {
	case h.Status == "":
		return false
	case h.Status == Missing && anyLives:
		return false
	case it.key.Group == groupRollouts && it.key.Kind == "Application":
		// A child that shows nothing yet holds nothing up, and nobody waits for himself.
		self := it.key.Name == d.app.Name && it.key.Namespace == d.app.Namespace
		return h.Status != Missing && h.Status != Unknown && !self
	}
	return !ignoresHealth(it)
}

func ignoresHealth(it item) bool {
	for _, o := range []*unstructured.Unstructured{it.desired, liveObject(it)} {
		if o != nil && annotation(o, gitopsv1.AnnotationIgnoreHealthCheck) == "true" {
			return true
		}
	}
	return false
}

func liveObject(it item) *unstructured.Unstructured {
	if it.live == nil {
		return nil
	}
	return it.live.Object
}

// setHealth keeps the moment of the last change of the state.
func (d *decision) setHealth(h gitopsv1.HealthStatus) {
	h.LastTransitionTime = d.o.App.Status.Health.LastTransitionTime
	if d.o.App.Status.Health.Status != h.Status || h.LastTransitionTime == nil {
		h.LastTransitionTime = &d.now
	}
	d.app.Status.Health = h
}
