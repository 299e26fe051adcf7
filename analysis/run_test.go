package analysis_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func rollout() *v1alpha1.Rollout {
	return &v1alpha1.Rollout{
		TypeMeta: metav1.TypeMeta{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "web", UID: "web-uid",
			Labels: map[string]string{"app.kubernetes.io/part-of": "shop"}, Annotations: map[string]string{"a.b/c]d": "odd"},
		},
		Spec: v1alpha1.RolloutSpec{
			Replicas: ptr.To[int32](4), Paused: true,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Template: runtime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"name":"web","image":"img:v1"},{"name":"side","image":"side:v7"}]}}`)},
		},
	}
}

func TestForRollout(t *testing.T) {
	endless := webMetric("endless")
	endless.Interval = "1m"
	templates := library{
		"check":    withArgs(template("one"), v1alpha1.Argument{Name: "x"}),
		"plain":    template("one"),
		"endless":  {Metrics: []v1alpha1.Metric{endless}},
		"mistaken": {Metrics: []v1alpha1.Metric{{Name: "one"}}},
		"large":    withArgs(template("one"), given("x", strings.Repeat("x", 800_000))),
		"field":    withArgs(template("one"), v1alpha1.Argument{Name: "x", ValueFrom: &v1alpha1.ValueFrom{FieldRef: &v1alpha1.FieldRef{FieldPath: "metadata.name"}}}),
	}
	of := func(template string, args ...v1alpha1.AnalysisRunArgument) v1alpha1.RolloutAnalysis {
		return v1alpha1.RolloutAnalysis{Templates: refs(template), Args: args}
	}
	hash := func(which v1alpha1.ValueFromPodTemplateHash) v1alpha1.AnalysisRunArgument {
		return v1alpha1.AnalysisRunArgument{Name: "x", ValueFrom: &v1alpha1.ArgumentValueFrom{PodTemplateHashValue: &which}}
	}
	field := func(path string) v1alpha1.AnalysisRunArgument {
		return v1alpha1.AnalysisRunArgument{Name: "x", ValueFrom: &v1alpha1.ArgumentValueFrom{FieldRef: &v1alpha1.FieldRef{FieldPath: path}}}
	}
	for name, c := range map[string]struct {
		analysis        v1alpha1.RolloutAnalysis
		kind            string
		want, wantError string // the value of the argument x
	}{
		"a value":                           {analysis: of("check", v1alpha1.AnalysisRunArgument{Name: "x", Value: "v"}), want: "v"},
		"an empty value":                    {analysis: of("check", v1alpha1.AnalysisRunArgument{Name: "x"}), want: ""},
		"the hash of the stable revision":   {analysis: of("check", hash(v1alpha1.PodTemplateHashStable)), want: "old"},
		"the hash of the new revision":      {analysis: of("check", hash(v1alpha1.PodTemplateHashLatest)), want: "new"},
		"the hash of something else":        {analysis: of("check", hash("Newest")), wantError: `argument x: podTemplateHashValue must be Stable or Latest, but is "Newest"`},
		"a value from nowhere":              {analysis: of("check", v1alpha1.AnalysisRunArgument{Name: "x", ValueFrom: &v1alpha1.ArgumentValueFrom{}}), wantError: "argument x: valueFrom is empty: set podTemplateHashValue or fieldRef"},
		"the name of the Rollout":           {analysis: of("check", field("metadata.name")), want: "web"},
		"a number":                          {analysis: of("check", field("spec.replicas")), want: "4"},
		"a boolean":                         {analysis: of("check", field("spec.paused")), want: "true"},
		"a label in brackets":               {analysis: of("check", field("metadata.labels['app.kubernetes.io/part-of']")), want: "shop"},
		"a key with a bracket":              {analysis: of("check", field(`.metadata.annotations["a.b/c]d"]`)), want: "odd"},
		"an element of a list":              {analysis: of("check", field("spec.template.spec.containers[1].image")), want: "side:v7"},
		"a field that the template names":   {analysis: of("field"), want: "web"},
		"a field that is not there":         {analysis: of("check", field("metadata.labels.team")), wantError: `argument x: fieldPath "metadata.labels.team": rollout web has no team there`},
		"an element that is not there":      {analysis: of("check", field("spec.template.spec.containers[7].image")), wantError: `argument x: fieldPath "spec.template.spec.containers[7].image": rollout web has no 7 there`},
		"an element before the first":       {analysis: of("check", field("spec.template.spec.containers[-1].image")), wantError: `argument x: fieldPath "spec.template.spec.containers[-1].image": rollout web has no -1 there`},
		"a whole object":                    {analysis: of("check", field("metadata.labels")), wantError: `argument x: fieldPath "metadata.labels": rollout web holds more than one value there; only text, numbers and booleans can be arguments`},
		"a bracket that nobody closes":      {analysis: of("check", field("metadata.labels['a")), wantError: `argument x: fieldPath "metadata.labels['a": a bracket is not closed`},
		"a path without a name":             {analysis: of("check", field("metadata..name")), wantError: `argument x: fieldPath "metadata..name": a name is missing`},
		"no path":                           {analysis: of("check", field("")), wantError: `argument x: fieldPath "": it is empty`},
		"an argument without a value":       {analysis: of("check"), wantError: "argument x of AnalysisTemplate check has no value: give it one in args"},
		"a metric that makes no sense":      {analysis: of("mistaken"), wantError: "Analysis spec invalid: metrics[0]: no provider specified"},
		"no template":                       {wantError: "Analysis spec invalid: metrics: no metrics specified"},
		"a step does not wait for ever":     {analysis: of("endless"), kind: analysis.TypeStep, wantError: "metric endless has an interval and no count, so it never ends, and the release waits for it: give it a count"},
		"nor does a promotion":              {analysis: of("endless"), kind: analysis.TypePrePromotion, wantError: "metric endless has an interval and no count, so it never ends, and the release waits for it: give it a count"},
		"a background analysis may go on":   {analysis: of("endless"), kind: analysis.TypeBackground},
		"a run too large for its results":   {analysis: of("large"), wantError: "the templates and their arguments make a run of 800124 bytes, at most 786432 are allowed: use fewer or shorter ones"},
		"a rule that fits none of the ones": {analysis: v1alpha1.RolloutAnalysis{Templates: refs("plain"), DryRun: []v1alpha1.DryRun{{MetricName: "two"}}}, wantError: "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)"},
	} {
		t.Run(name, func(t *testing.T) {
			at := analysis.RunAt{Hash: "new", StableHash: "old", Revision: 2, Type: c.kind, Step: ptr.To[int32](1)}
			run, err := analysis.ForRollout(rollout(), c.analysis, analysis.Library{Templates: templates}, at)
			if c.wantError != "" {
				if err == nil || err.Error() != c.wantError {
					t.Fatalf("got error %v, want %s", err, c.wantError)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range run.Spec.Args {
				if a.Value == nil || *a.Value != c.want || a.ValueFrom != nil {
					t.Errorf("got argument %+v, want %q", a, c.want)
				}
			}
		})
	}
}

func TestARunTellsWhereItBelongs(t *testing.T) {
	r := rollout()
	r.Spec.Selector.MatchLabels["team"] = "of the selector"
	a := v1alpha1.RolloutAnalysis{Templates: refs("plain"), AnalysisRunMetadata: &v1alpha1.AnalysisRunMetadata{
		Labels: map[string]string{
			"mine": "kept", "team": "of the user", v1alpha1.LabelRolloutType: "x", v1alpha1.LabelPodTemplateHash: "x", v1alpha1.LabelStepIndex: "x", v1alpha1.LabelInstanceID: "x",
		},
		Annotations: map[string]string{"mine": "kept", v1alpha1.AnnotationRevision: "x"},
	}}
	lib := analysis.Library{Templates: library{"plain": template("one")}}
	step, err := analysis.ForRollout(r, a, lib, analysis.RunAt{Hash: "h", Revision: 2, Type: analysis.TypeStep, Step: ptr.To[int32](3), InstanceID: "id"})
	if err != nil {
		t.Fatal(err)
	}
	want := metav1.ObjectMeta{
		Namespace: "shop", Name: "web-h-2-3",
		Labels: map[string]string{
			"mine": "kept", "app": "web", "team": "of the selector", v1alpha1.LabelRolloutType: "Step", v1alpha1.LabelPodTemplateHash: "h", v1alpha1.LabelStepIndex: "3", v1alpha1.LabelInstanceID: "id",
		},
		Annotations:     map[string]string{"mine": "kept", v1alpha1.AnnotationRevision: "2"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(r, v1alpha1.RolloutKind)},
	}
	if diff := cmp.Diff(want, step.ObjectMeta); diff != "" {
		t.Error(diff)
	}
	background, err := analysis.ForRollout(r, a, lib, analysis.RunAt{Hash: "h", Revision: 2, Type: analysis.TypeBackground, Step: ptr.To[int32](3)})
	if err != nil {
		t.Fatal(err)
	}
	want.Name, want.Labels[v1alpha1.LabelRolloutType] = "web-h-2", "Background"
	delete(want.Labels, v1alpha1.LabelStepIndex)
	delete(want.Labels, v1alpha1.LabelInstanceID)
	if diff := cmp.Diff(want, background.ObjectMeta); diff != "" {
		t.Error(diff)
	}
}

func TestRunName(t *testing.T) {
	for want, c := range map[string]struct {
		suffix  string
		attempt int
	}{
		"web-h-2": {}, "web-h-2.1": {attempt: 1}, "web-h-2-3": {suffix: "3"}, "web-h-2-3.2": {suffix: "3", attempt: 2}, "web-h-2-pre": {suffix: "pre"},
	} {
		if got := analysis.RunName("web", "h", 2, c.suffix, c.attempt); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPlace(t *testing.T) {
	run := func(name string, change func(*v1alpha1.AnalysisRun)) v1alpha1.AnalysisRun {
		r := v1alpha1.AnalysisRun{
			ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(rollout(), v1alpha1.RolloutKind)}},
			Spec:       v1alpha1.AnalysisRunSpec{Metrics: metrics("one"), Args: []v1alpha1.Argument{given("x", "1")}},
		}
		if change != nil {
			change(&r)
		}
		return r
	}
	for name, c := range map[string]struct {
		want     string
		existing []v1alpha1.AnalysisRun
		placed   string
		adopted  bool
	}{
		"nothing is there":                         {"web-h-2", nil, "web-h-2", false},
		"another place is taken":                   {"web-h-2", []v1alpha1.AnalysisRun{run("web-h-2-0", nil)}, "web-h-2", false},
		"an unfinished run of ours asks the same":  {"web-h-2", []v1alpha1.AnalysisRun{run("web-h-2", nil)}, "web-h-2", true},
		"it is still unfinished once it runs":      {"web-h-2", []v1alpha1.AnalysisRun{run("web-h-2", func(r *v1alpha1.AnalysisRun) { r.Status.Phase = v1alpha1.AnalysisPhaseRunning })}, "web-h-2", true},
		"a later attempt of ours is unfinished":    {"web-h-2", []v1alpha1.AnalysisRun{run("web-h-2", func(r *v1alpha1.AnalysisRun) { r.Status.Phase = v1alpha1.AnalysisPhaseFailed }), run("web-h-2.1", nil)}, "web-h-2.1", true},
		"the run has ended":                        {"web-h-2", []v1alpha1.AnalysisRun{run("web-h-2", func(r *v1alpha1.AnalysisRun) { r.Status.Phase = v1alpha1.AnalysisPhaseSuccessful })}, "web-h-2.1", false},
		"the run is told to end":                   {"web-h-2", []v1alpha1.AnalysisRun{run("web-h-2", func(r *v1alpha1.AnalysisRun) { r.Spec.Terminate = true })}, "web-h-2.1", false},
		"the run is being deleted":                 {"web-h-2", []v1alpha1.AnalysisRun{run("web-h-2", func(r *v1alpha1.AnalysisRun) { r.DeletionTimestamp = &metav1.Time{} })}, "web-h-2.1", false},
		"the run asks something else":              {"web-h-2", []v1alpha1.AnalysisRun{run("web-h-2", func(r *v1alpha1.AnalysisRun) { r.Spec.Metrics = metrics("two") })}, "web-h-2.1", false},
		"the run asks with other arguments":        {"web-h-2", []v1alpha1.AnalysisRun{run("web-h-2", func(r *v1alpha1.AnalysisRun) { r.Spec.Args = nil })}, "web-h-2.1", false},
		"the run judges fewer metrics":             {"web-h-2", []v1alpha1.AnalysisRun{run("web-h-2", func(r *v1alpha1.AnalysisRun) { r.Spec.DryRun = []v1alpha1.DryRun{{MetricName: "one"}} })}, "web-h-2.1", false},
		"the run belongs to a former Rollout":      {"web-h-2", []v1alpha1.AnalysisRun{run("web-h-2", func(r *v1alpha1.AnalysisRun) { r.OwnerReferences[0].UID = "former" })}, "web-h-2.1", false},
		"the run belongs to nobody":                {"web-h-2", []v1alpha1.AnalysisRun{run("web-h-2", func(r *v1alpha1.AnalysisRun) { r.OwnerReferences = nil })}, "web-h-2.1", false},
		"an attempt that is wanted by its number":  {"web-h-2.3", nil, "web-h-2.3", false},
		"the first free name is taken, not beyond": {"web-h-2.3", []v1alpha1.AnalysisRun{run("web-h-2.3", func(r *v1alpha1.AnalysisRun) { r.Status.Phase = v1alpha1.AnalysisPhaseError })}, "web-h-2.1", false},
	} {
		t.Run(name, func(t *testing.T) {
			want := run(c.want, nil)
			got, adopted := analysis.Place(&want, c.existing)
			if got.Name != c.placed || adopted != c.adopted {
				t.Errorf("got %s, adopted %t, want %s, %t", got.Name, adopted, c.placed, c.adopted)
			}
		})
	}
}

// What is adopted is the object that exists, with all that only it has.
func TestPlaceGivesTheObjectThatExists(t *testing.T) {
	want := v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{Name: "web-h-2", OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(rollout(), v1alpha1.RolloutKind)}}}
	there := *want.DeepCopy()
	there.UID, there.Annotations = types.UID("there"), map[string]string{corev1.LastAppliedConfigAnnotation: "x"}
	got, _ := analysis.Place(&want, []v1alpha1.AnalysisRun{there})
	if diff := cmp.Diff(&there, got); diff != "" {
		t.Error(diff)
	}
}
