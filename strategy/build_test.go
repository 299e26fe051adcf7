package strategy

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// seen is an observation of a canary update from revision old to revision new with ten replicas.
func seen(t *testing.T, canary string, change ...func(*Observation)) *Observation {
	t.Helper()
	r := &v1alpha1.Rollout{}
	r.Name, r.Generation = "web", 2
	text := `{spec: {replicas: 10, selector: {matchLabels: {app: web}}, strategy: {canary: ` + canary + `}}, status: {currentPodHash: new, stableRS: old, currentStepIndex: 0}}`
	if err := yaml.UnmarshalStrict([]byte(text), r); err != nil {
		t.Fatalf("reading the rollout of the test: %v", err)
	}
	r.Status.CurrentStepHash = v1alpha1.StepHash(r)
	o := &Observation{
		Now: noon, Rollout: r, Current: "new", Routed: v1alpha1.HasRouter(r),
		Revisions: []Revision{revisionWith("new", 2, 0), revisionWith("old", 1, 10)},
		Stable:    Service{Name: "stable", Exists: true, Managed: true, Hash: "old"},
		Canary:    Service{Name: "canary", Exists: true, Managed: true, Hash: "new"},
		Traffic:   trafficrouting.Observed{Exact: true, Confirmation: trafficrouting.Confirmed},
	}
	for _, f := range change {
		f(o)
	}
	return o
}

func revisionWith(hash string, number int64, pods int32) Revision {
	return Revision{Name: "web-" + hash, Hash: hash, Number: number, Spec: pods, Replicas: pods, Ready: pods, Available: pods, Desired: 10, Created: noon.Add(time.Duration(number) * time.Hour)}
}

func pods(hash string, spec, available int32) func(*Observation) {
	return func(o *Observation) {
		r := o.revision(hash)
		r.Spec, r.Replicas, r.Ready, r.Available = spec, spec, available, available
	}
}

func held(weight int32) func(*Observation) {
	return func(o *Observation) { o.Traffic.Lowest, o.Traffic.Highest = weight, weight }
}

func step(index int32) func(*Observation) {
	return func(o *Observation) { o.Rollout.Status.CurrentStepIndex = &index }
}

func status(change func(*v1alpha1.RolloutStatus)) func(*Observation) {
	return func(o *Observation) { change(&o.Rollout.Status) }
}

func spec(change func(*v1alpha1.RolloutSpec)) func(*Observation) {
	return func(o *Observation) { change(&o.Rollout.Spec) }
}

const behindRoute = `{canaryService: canary, stableService: stable, trafficRouting: {gatewayAPI: {httpRoute: web}}, steps: [{setWeight: 20}, {pause: {}}, {setWeight: 60}, {pause: {}}]}`

// behindRoutes is a canary behind a route with these steps.
func behindRoutes(steps string) string {
	return `{canaryService: canary, stableService: stable, trafficRouting: {gatewayAPI: {httpRoute: web}}, steps: [` + steps + `]}`
}

// stepRun is a run of the first step of the update that seen observes.
func stepRun(name string, phase v1alpha1.AnalysisPhase) v1alpha1.AnalysisRun {
	return v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{
		Name: name, Annotations: map[string]string{v1alpha1.AnnotationRevision: "2"}, CreationTimestamp: metav1.NewTime(noon.Add(time.Second)),
		Labels: map[string]string{v1alpha1.LabelPodTemplateHash: "new", v1alpha1.LabelRolloutType: analysis.TypeStep, v1alpha1.LabelStepIndex: "0"},
	}, Status: v1alpha1.AnalysisRunStatus{Phase: phase}}
}

// named lets the status name the run of the first step.
func named(name string) func(*Observation) {
	return func(o *Observation) {
		o.Rollout.Status.Canary.CurrentStepAnalysisRunStatus = &v1alpha1.RolloutAnalysisRunStatus{Name: name}
	}
}

// checked has the template that the analyses of the tests name.
func checked(o *Observation) {
	o.Library = analysis.Library{Templates: map[string]v1alpha1.AnalysisTemplateSpec{"check": {Metrics: checkOf("good")}}}
}

func checkOf(metric string) []v1alpha1.Metric {
	return []v1alpha1.Metric{{Name: metric, Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: "http://check.example/"}}}}
}
