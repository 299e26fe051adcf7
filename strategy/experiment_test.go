package strategy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

const withTrial = `{canaryService: canary, stableService: stable, trafficRouting: {gatewayAPI: {httpRoute: web}},
  steps: [{experiment: {templates: [{name: a, specRef: stable, weight: 5}, {name: b, specRef: canary}]}}, {setWeight: 60}, {pause: {}}]}`

// trial is the running Experiment of the first step, in which both templates have a Service and only a has a share.
func trial(t *testing.T, name string, change ...func(*v1alpha1.Experiment)) v1alpha1.Experiment {
	t.Helper()
	e := v1alpha1.Experiment{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(noon), Labels: map[string]string{v1alpha1.LabelPodTemplateHash: "new"}, Annotations: map[string]string{
		v1alpha1.AnnotationExperimentWeights: `{"a":5}`,
	}}}
	text := `{spec: {templates: [{name: a, service: {}}, {name: b, service: {}}]}, status: {phase: Running, templateStatuses: [
	  {name: a, status: Running, availableReplicas: 1, serviceName: ` + name + `-a}, {name: b, status: Running, availableReplicas: 1, serviceName: ` + name + `-b}]}}`
	if err := yaml.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&e)
	}
	return e
}

func TestSharesOfExperiments(t *testing.T) {
	const name = "web-new-2-0"
	current := status(func(s *v1alpha1.RolloutStatus) { s.Canary.CurrentExperiment = name })
	written := status(func(s *v1alpha1.RolloutStatus) {
		s.Canary.Weights = &v1alpha1.TrafficWeights{Additional: []v1alpha1.WeightDestination{{ServiceName: name + "-a"}}}
	})
	was := status(func(s *v1alpha1.RolloutStatus) {
		s.Canary.Weights = &v1alpha1.TrafficWeights{Additional: []v1alpha1.WeightDestination{{ServiceName: name + "-a", Weight: 5}}}
	})
	template := func(available int32, state string) func(*v1alpha1.Experiment) {
		return func(e *v1alpha1.Experiment) {
			e.Status.TemplateStatuses[0].AvailableReplicas, e.Status.TemplateStatuses[0].Status = available, state
		}
	}
	marked := func(text string) func(*v1alpha1.Experiment) {
		return func(e *v1alpha1.Experiment) { e.Annotations[v1alpha1.AnnotationExperimentWeights] = text }
	}
	phase := func(p v1alpha1.AnalysisPhase) func(*v1alpha1.Experiment) {
		return func(e *v1alpha1.Experiment) { e.Status.Phase = p }
	}
	share := func(service string, weight int32) trafficrouting.Share {
		return trafficrouting.Share{Service: service, Weight: weight}
	}
	for name, c := range map[string]struct {
		change []func(*Observation)
		trials []v1alpha1.Experiment
		want   []trafficrouting.Share
	}{
		"the one of the current step":                          {[]func(*Observation){current, written}, []v1alpha1.Experiment{trial(t, name)}, []trafficrouting.Share{share(name+"-a", 5)}},
		"one that is not written down yet":                     {[]func(*Observation){current}, []v1alpha1.Experiment{trial(t, name)}, []trafficrouting.Share{share(name+"-a", 0)}},
		"one that the status does not name":                    {[]func(*Observation){written}, []v1alpha1.Experiment{trial(t, name)}, []trafficrouting.Share{share(name+"-a", 0)}},
		"one whose pods are not all there yet":                 {[]func(*Observation){current, written}, []v1alpha1.Experiment{trial(t, name, template(1, "Progressing"))}, []trafficrouting.Share{share(name+"-a", 0)}},
		"one that lost some pods keeps its share":              {[]func(*Observation){current, was}, []v1alpha1.Experiment{trial(t, name, template(1, "Progressing"))}, []trafficrouting.Share{share(name+"-a", 5)}},
		"one that lost every pod":                              {[]func(*Observation){current, was}, []v1alpha1.Experiment{trial(t, name, template(0, "Progressing"))}, []trafficrouting.Share{share(name+"-a", 0)}},
		"one that is over":                                     {[]func(*Observation){current, written}, []v1alpha1.Experiment{trial(t, name, phase(v1alpha1.AnalysisPhaseSuccessful))}, []trafficrouting.Share{share(name+"-a", 0)}},
		"after an abort":                                       {[]func(*Observation){current, written, status(func(s *v1alpha1.RolloutStatus) { s.Abort = true })}, []v1alpha1.Experiment{trial(t, name)}, []trafficrouting.Share{share(name+"-a", 0)}},
		"at a later step":                                      {[]func(*Observation){current, step(1), written}, []v1alpha1.Experiment{trial(t, name)}, []trafficrouting.Share{share(name+"-a", 0)}},
		"weights that somebody spoiled":                        {[]func(*Observation){current, written}, []v1alpha1.Experiment{trial(t, name, marked("five"))}, []trafficrouting.Share{share(name+"-a", 0), share(name+"-b", 0)}},
		"weights beyond everything":                            {[]func(*Observation){current, written}, []v1alpha1.Experiment{trial(t, name, marked(`{"a":101}`))}, []trafficrouting.Share{share(name+"-a", 0)}},
		"one that no route knows any more":                     {[]func(*Observation){current}, []v1alpha1.Experiment{trial(t, name, func(e *v1alpha1.Experiment) { e.Annotations = nil })}, nil},
		"one that is gone and was in the routes":               {[]func(*Observation){was}, nil, []trafficrouting.Share{share(name+"-a", 0)}},
		"an old one and a new one with a Service of that name": {[]func(*Observation){current, written}, []v1alpha1.Experiment{trial(t, name+"-old", func(e *v1alpha1.Experiment) { e.Spec.Templates[0].Service.Name = name + "-a" }), trial(t, name)}, []trafficrouting.Share{share(name+"-a", 5)}},
	} {
		t.Run(name, func(t *testing.T) {
			o := seen(t, withTrial, c.change...)
			if diff := cmp.Diff(c.want, Split(o.Rollout, c.trials...).Additional); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTheCanaryMakesRoomForAnExperiment(t *testing.T) {
	const name = "web-new-2-1"
	const crowded = `{canaryService: canary, stableService: stable, trafficRouting: {gatewayAPI: {httpRoute: web}},
  steps: [{setWeight: 50}, {experiment: {templates: [{name: a, specRef: stable, weight: 60}]}}]}`
	o := seen(t, crowded, pods("new", 5, 5), held(50), step(1), status(func(s *v1alpha1.RolloutStatus) {
		s.Canary.CurrentExperiment = name
		s.Canary.Weights = &v1alpha1.TrafficWeights{Additional: []v1alpha1.WeightDestination{{ServiceName: name + "-a"}}}
	}))
	o.Experiments = []v1alpha1.Experiment{trial(t, name, func(e *v1alpha1.Experiment) { e.Annotations[v1alpha1.AnnotationExperimentWeights] = `{"a":60}` })}
	plan := Decide(*o)
	if plan.Traffic == nil {
		t.Fatal("the routes stay as they are")
	}
	if split := plan.Traffic.Split; split.Check(100) != nil || split.Canary.Weight != 40 || split.Stable.Weight != 0 {
		t.Errorf("the split is %+v", split)
	}
}

func TestOnlyTheExperimentOfThisPlaceIsHeard(t *testing.T) {
	failed := func(e *v1alpha1.Experiment) { e.Status.Phase = v1alpha1.AnalysisPhaseFailed }
	begun := status(func(s *v1alpha1.RolloutStatus) {
		at := metav1.NewTime(noon.Add(-1))
		s.Duration = &v1alpha1.RolloutDuration{RolloutStartedAt: &at}
	})
	for name, c := range map[string]struct {
		trial v1alpha1.Experiment
		abort bool
	}{
		"a failed one of this step":                {trial(t, "web-new-2-0", failed), true},
		"a later attempt at it":                    {trial(t, "web-new-2-0-3", failed), true},
		"one of another step":                      {trial(t, "web-new-2-2", failed), false},
		"one of another revision":                  {trial(t, "web-new-1-0", failed), false},
		"one with another name":                    {trial(t, "web-new-2-0x", failed), false},
		"one that was stopped before":              {trial(t, "web-new-2-0", failed, func(e *v1alpha1.Experiment) { e.Spec.Terminate = true }), false},
		"one from before the update began":         {trial(t, "web-new-2-0", failed, func(e *v1alpha1.Experiment) { e.CreationTimestamp = metav1.NewTime(noon.Add(-1e12)) }), false},
		"one that goes on tells nothing of itself": {trial(t, "web-new-2-0"), false},
	} {
		t.Run(name, func(t *testing.T) {
			o := seen(t, withTrial, pods("new", 1, 1), begun)
			o.Experiments = []v1alpha1.Experiment{c.trial}
			if got := Decide(*o).Status.Abort; got != c.abort {
				t.Errorf("aborted: %t", got)
			}
		})
	}
}

func TestTheServiceOfAnExperimentIsWrittenDownBeforeItIsInTheRoutes(t *testing.T) {
	const name = "web-new-2-0"
	o := seen(t, withTrial, status(func(s *v1alpha1.RolloutStatus) { s.Canary.CurrentExperiment = name }))
	o.Experiments = []v1alpha1.Experiment{trial(t, name)}
	plan := Decide(*o)
	if plan.Traffic != nil && sumOf(plan.Traffic.Split.Additional) > 0 {
		t.Errorf("it gets requests already: %+v", plan.Traffic.Split)
	}
	if !isRecorded(recorded(&plan.Status), name+"-a") || plan.Calm {
		t.Errorf("the status remembers %+v; the write can wait: %t", recorded(&plan.Status), plan.Calm)
	}
}
