package validation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const group = `selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web, ports: [{containerPort: 80}]}]}}`

func TestExperiment(t *testing.T) {
	for name, c := range map[string]struct {
		spec string
		want []string
	}{
		"two groups and an analysis": {`{templates: [{name: a, ` + group + `}, {name: b, replicas: 0, service: {}, ` + group + `}], duration: 5m, analyses: [{name: x, templateName: y}]}`, nil},
		"nothing at all":             {`{templates: []}`, []string{`spec.templates: Required value`}},
		"names that cannot be parts of names": {`{templates: [{name: A b, ` + group + `}, {name: a, ` + group + `}, {name: a, ` + group + `}], analyses: [{name: "", templateName: ""}]}`, []string{
			"spec.templates[0].name: Invalid value", "spec.templates[2].name: Duplicate value", "spec.analyses[0].name: Invalid value", "spec.analyses[0].templateName: Required value"}},
		"numbers below zero": {`{templates: [{name: a, replicas: -1, minReadySeconds: -1, ` + group + `}], duration: -5m, scaleDownDelaySeconds: -1}`, []string{
			"spec.templates[0].replicas: Invalid value", "spec.templates[0].minReadySeconds: Invalid value", "spec.duration: Invalid value", "spec.scaleDownDelaySeconds: Invalid value"}},
		"a duration that is none":             {`{templates: [{name: a, ` + group + `}], duration: 5}`, []string{"spec.duration: Invalid value"}},
		"pods that can never count as ready":  {`{templates: [{name: a, minReadySeconds: 60, ` + group + `}], progressDeadlineSeconds: 60}`, []string{"spec.templates[0].minReadySeconds: Invalid value"}},
		"no selector":                         {`{templates: [{name: a, template: {spec: {containers: [{name: web, image: web}]}}}]}`, []string{"spec.templates[0].selector: Required value", "spec.templates[0].template.metadata.labels: Invalid value"}},
		"a selector that the pods do not fit": {`{templates: [{name: a, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: other}}, spec: {containers: [{name: web, image: web}]}}}]}`, []string{"spec.templates[0].template.metadata.labels: Invalid value"}},
		"a Service without a port":            {`{templates: [{name: a, service: {}, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}]}`, []string{"spec.templates[0].service: Invalid value"}},
		"a Service with a bad name":           {`{templates: [{name: a, service: {name: 1.x}, ` + group + `}]}`, []string{"spec.templates[0].service.name: Invalid value"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := &v1alpha1.Experiment{}
			e.Name = "exp"
			if err := yaml.UnmarshalStrict([]byte(c.spec), &e.Spec); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, lines(Experiment(e))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExperimentSteps(t *testing.T) {
	const routed = "strategy: {canary: {stableService: s, canaryService: c, trafficRouting: {gatewayAPI: {httpRoute: r}}, steps: [{setWeight: 80}, {experiment: "
	for name, c := range map[string]struct {
		step string
		want []string
	}{
		"all that can be said":           {`{templates: [{name: a, specRef: stable, weight: 10}, {name: b, specRef: canary, weight: 10, service: {name: x}}], duration: 5m, analyses: [{name: x, templateName: y}]}`, nil},
		"no template":                    {`{templates: []}`, []string{"spec.strategy.steps[1].experiment.templates: Required value"}},
		"a revision that is none":        {`{templates: [{name: a, specRef: latest}]}`, []string{"spec.strategy.steps[1].experiment.templates[0].specRef: Unsupported value"}},
		"more weight than there is left": {`{templates: [{name: a, specRef: stable, weight: 15}, {name: b, specRef: canary, weight: 6}]}`, []string{"spec.strategy.steps[1].experiment.templates: Invalid value"}},
		"numbers below zero": {`{templates: [{name: a, specRef: stable, replicas: -1, weight: -1}], scaleDownDelaySeconds: -1, duration: x}`, []string{
			"spec.strategy.steps[1].experiment.templates[0].replicas: Invalid value", "spec.strategy.steps[1].experiment.templates[0].weight: Invalid value",
			"spec.strategy.steps[1].experiment.duration: Invalid value", "spec.strategy.steps[1].experiment.scaleDownDelaySeconds: Invalid value"}},
		"two of one name": {`{templates: [{name: a, specRef: stable}, {name: a, specRef: canary}], analyses: [{name: x, templateName: y}, {name: x, templateName: y}]}`, []string{
			"spec.strategy.steps[1].experiment.templates[1].name: Duplicate value", "spec.strategy.steps[1].experiment.analyses[1].name: Duplicate value"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, lines(Rollout(with(t, routed+c.step+"}]}}")))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
