package analysis

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strconv"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Library holds the templates that a run may be composed of, by name.
type Library struct {
	Templates        map[string]v1alpha1.AnalysisTemplateSpec
	ClusterTemplates map[string]v1alpha1.AnalysisTemplateSpec
}

// Values of the label rollout-type.
const (
	TypeStep          = "Step"
	TypeBackground    = "Background"
	TypePrePromotion  = "PrePromotion"
	TypePostPromotion = "PostPromotion"
)

// RunAt is the place in a release that a run belongs to.
type RunAt struct {
	// Hash is the revision that is judged; StableHash the one that serves meanwhile.
	Hash, StableHash string
	Revision         int64
	// Type is one of the Type constants.
	Type string
	// Step is the index of the step, for TypeStep only.
	Step *int32
	// Attempt counts the earlier runs of the same place: 0 for the first.
	Attempt int
	// InstanceID is the label of the Rollout that binds it to a controller; empty if it has none.
	InstanceID string
}

// maxSpec is how large the spec of a run may be, in bytes of JSON: its results must fit into the same object.
const maxSpec = 768 << 10

// ForRollout composes the run that a asks for at a place of a release. It is not yet created, and its secrets are not read. The
// errors are those of Compose, a field of the Rollout that is not there, a metric without an end where the release waits for it, and
// a run that is too large for one object.
func ForRollout(r *v1alpha1.Rollout, a v1alpha1.RolloutAnalysis, lib Library, at RunAt) (*v1alpha1.AnalysisRun, error) {
	args, err := Arguments(r, a.Args, at)
	if err != nil {
		return nil, err
	}
	spec, err := Compose(a, lib, args)
	if err != nil {
		return nil, err
	}
	for i := range spec.Args {
		if err := fixField("rollout", r, &spec.Args[i]); err != nil {
			return nil, err
		}
	}
	q, err := resolve(spec)
	if err != nil {
		return nil, err
	}
	if at.Type != TypeBackground {
		if err := ends(q); err != nil {
			return nil, err
		}
	}
	if err := fits(spec); err != nil {
		return nil, err
	}
	run := &v1alpha1.AnalysisRun{Spec: spec}
	run.Name, run.Namespace = RunName(r.Name, at.Hash, at.Revision, suffixOf(at), at.Attempt), r.Namespace
	run.Labels, run.Annotations = labelsOf(r, a, at), map[string]string{}
	if m := a.AnalysisRunMetadata; m != nil {
		maps.Copy(run.Annotations, m.Annotations)
	}
	run.Annotations[v1alpha1.AnnotationRevision] = strconv.FormatInt(at.Revision, 10)
	run.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(r, v1alpha1.RolloutKind)}
	return run, nil
}

// ends refuses metrics that go on for ever, where somebody waits for their end.
func ends(q questions) error {
	for _, m := range q.metrics {
		if effectiveCount(m) == 0 {
			return fmt.Errorf("metric %s has an interval and no count, so it never ends, and the release waits for it: give it a count", m.Name)
		}
	}
	return nil
}

func fits(spec v1alpha1.AnalysisRunSpec) error {
	data, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("writing the run as JSON: %w", err)
	}
	if len(data) > maxSpec {
		return fmt.Errorf("the templates and their arguments make a run of %d bytes, at most %d are allowed: use fewer or shorter ones", len(data), maxSpec)
	}
	return nil
}

// RunName names the run of one attempt at a place: suffix is the index of a step, pre, post, or empty for the background. A name
// says all that tells one run from another, so a run that was made is found again whatever was forgotten.
func RunName(rollout, hash string, revision int64, suffix string, attempt int) string {
	name := fmt.Sprintf("%s-%s-%d", rollout, hash, revision)
	if suffix != "" {
		name += "-" + suffix
	}
	if attempt > 0 {
		name += "." + strconv.Itoa(attempt)
	}
	return name
}

func suffixOf(at RunAt) string {
	switch {
	case at.Type == TypePrePromotion:
		return "pre"
	case at.Type == TypePostPromotion:
		return "post"
	case at.Type == TypeStep && at.Step != nil:
		return strconv.Itoa(int(*at.Step))
	}
	return ""
}

// labelsOf gives the labels of a run; of two for one key the later one counts. Ours come last: by them a run is found again, so
// that one with another's labels would be made over and over.
func labelsOf(r *v1alpha1.Rollout, a v1alpha1.RolloutAnalysis, at RunAt) map[string]string {
	labels := map[string]string{}
	if m := a.AnalysisRunMetadata; m != nil {
		maps.Copy(labels, m.Labels)
	}
	if r.Spec.Selector != nil {
		maps.Copy(labels, r.Spec.Selector.MatchLabels)
	}
	labels[v1alpha1.LabelPodTemplateHash], labels[v1alpha1.LabelRolloutType] = at.Hash, at.Type
	delete(labels, v1alpha1.LabelStepIndex)
	if at.Type == TypeStep && at.Step != nil {
		labels[v1alpha1.LabelStepIndex] = strconv.Itoa(int(*at.Step))
	}
	delete(labels, v1alpha1.LabelInstanceID)
	if at.InstanceID != "" {
		labels[v1alpha1.LabelInstanceID] = at.InstanceID
	}
	return labels
}

// attemptPart is what RunName adds for an attempt beyond the first.
var attemptPart = regexp.MustCompile(`\.[0-9]+$`)

// Place finds where a composed run stands among the runs that exist: adopted is true if an unfinished run of the same owner asks
// the same, and is to be used instead of a new one. Otherwise it is want under the first name that is free.
func Place(want *v1alpha1.AnalysisRun, existing []v1alpha1.AnalysisRun) (run *v1alpha1.AnalysisRun, adopted bool) {
	byName := make(map[string]*v1alpha1.AnalysisRun, len(existing))
	for i := range existing {
		byName[existing[i].Name] = &existing[i]
	}
	run = want.DeepCopy()
	base := attemptPart.ReplaceAllString(want.Name, "")
	for attempt := 1; ; attempt++ {
		taken, ok := byName[run.Name]
		switch {
		case !ok:
			return run, false
		case sameOwner(taken, want) && !taken.Status.Phase.Completed() && taken.DeletionTimestamp == nil && SameQuestion(taken.Spec, want.Spec):
			return taken.DeepCopy(), true
		}
		run.Name = base + "." + strconv.Itoa(attempt)
	}
}

func sameOwner(a, b *v1alpha1.AnalysisRun) bool {
	x, y := metav1.GetControllerOf(a), metav1.GetControllerOf(b)
	return x != nil && y != nil && x.UID == y.UID
}

// SameQuestion reports whether a run that is not told to stop asks what another one would: metrics, arguments, dry runs and retention are equal.
func SameQuestion(a, b v1alpha1.AnalysisRunSpec) bool {
	return !a.Terminate &&
		equality.Semantic.DeepEqual(a.Metrics, b.Metrics) && equality.Semantic.DeepEqual(a.Args, b.Args) &&
		equality.Semantic.DeepEqual(a.DryRun, b.DryRun) &&
		equality.Semantic.DeepEqual(a.MeasurementRetention, b.MeasurementRetention)
}

func sameArgument(a, b v1alpha1.Argument) bool { return equality.Semantic.DeepEqual(a, b) }
