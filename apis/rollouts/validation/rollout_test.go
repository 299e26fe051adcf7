package validation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const sound = `
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: web, image: "shop:1"}]}
  strategy: {canary: {}}
`

// with parses the sound manifest with parts of spec replaced.
func with(t *testing.T, patch string) *v1alpha1.Rollout {
	t.Helper()
	var base, change map[string]any
	if err := yaml.Unmarshal([]byte(sound), &base); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(patch), &change); err != nil {
		t.Fatal(err)
	}
	for key, value := range change {
		base["spec"].(map[string]any)[key] = value
	}
	text, err := yaml.Marshal(base)
	if err != nil {
		t.Fatal(err)
	}
	var r v1alpha1.Rollout
	if err := yaml.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

func lines(errs field.ErrorList) []string {
	var all []string
	for _, e := range errs {
		all = append(all, e.Field+": "+e.Type.String())
	}
	return all
}

func TestRolloutNamesEachMistakeWithItsPath(t *testing.T) {
	for _, c := range []struct {
		name, patch string
		want        []string
	}{
		{"a sound manifest has no mistake", "", nil},
		{"an absent selector matches no template", "selector: null", []string{"spec.selector: Required value", "spec.template.metadata.labels: Invalid value"}},
		{"an empty selector would take every pod", "selector: {}", []string{"spec.selector: Invalid value"}},
		{"a selector must fit the template", "selector: {matchLabels: {app: other}}", []string{"spec.template.metadata.labels: Invalid value"}},
		{"negative numbers", "{replicas: -1, minReadySeconds: -1, revisionHistoryLimit: -1}",
			[]string{"spec.replicas: Invalid value", "spec.minReadySeconds: Invalid value", "spec.revisionHistoryLimit: Invalid value"}},
		{"a deadline before readiness", "{minReadySeconds: 600}", []string{"spec.progressDeadlineSeconds: Invalid value"}},
		{"no strategy", "strategy: {}", []string{"spec.strategy.strategy: Required value"}},
		{"two strategies", "strategy: {canary: {}, blueGreen: {activeService: a}}", []string{"spec.strategy.strategy: Invalid value"}},
		{"a template beside a workloadRef", "workloadRef: {apiVersion: apps/v1, kind: Deployment, name: d}", []string{"spec.template: Internal error"}},
		{"a workloadRef instead of template and selector", "{template: null, selector: null, workloadRef: {apiVersion: v1, kind: PodTemplate, name: d}}", nil},
		{"a workloadRef to something else", "{template: null, workloadRef: {apiVersion: apps/v1, kind: StatefulSet}}",
			[]string{"spec.workloadRef.kind: Unsupported value", "spec.workloadRef.name: Required value"}},
		{"a workloadRef of another group", "{template: null, workloadRef: {apiVersion: v1, kind: Deployment, name: d}}", []string{"spec.workloadRef.apiVersion: Invalid value"}},
		{"a template that is none", "template: {spec: {containers: web}}", []string{"spec.template: Invalid value"}},
		{"a pod without containers", "template: {metadata: {labels: {app: shop}}, spec: {}}", []string{"spec.template.spec.containers: Required value"}},
		{"a misspelt container", "template: {metadata: {labels: {app: shop}}, spec: {restartPolicy: Never, containers: [{name: Web_1}]}}",
			[]string{"spec.template.spec.containers[0].name: Invalid value", "spec.template.spec.containers[0].image: Required value", "spec.template.spec.restartPolicy: Unsupported value"}},
		{"a name used by an init container", "template: {metadata: {labels: {app: shop}}, spec: {initContainers: [{name: a, image: i}], containers: [{name: a, image: i, ports: [{containerPort: 70000}]}]}}",
			[]string{"spec.template.spec.containers[0].name: Duplicate value", "spec.template.spec.containers[0].ports[0].containerPort: Invalid value"}},
		{"no room to replace a pod", "strategy: {canary: {maxSurge: 0, maxUnavailable: 0%}}", []string{"spec.strategy.maxSurge: Invalid value"}},
		{"texts that are no numbers", "strategy: {canary: {maxSurge: abc, maxUnavailable: x%}}", []string{"spec.strategy.maxSurge: Invalid value", "spec.strategy.maxUnavailable: Invalid value"}},
		{"one Service in two roles", "strategy: {canary: {stableService: s, canaryService: s}}", []string{"spec.strategy.stableService: Invalid value"}},
		{"a gateway without Services", "strategy: {canary: {trafficRouting: {gatewayAPI: {httpRoute: r}}}}",
			[]string{"spec.strategy.stableService: Invalid value", "spec.strategy.canaryService: Invalid value"}},
		{"the gateway plugin without Services", "strategy: {canary: {trafficRouting: {plugins: {argoproj-labs/gatewayAPI: {httpRoute: r}}}}}",
			[]string{"spec.strategy.stableService: Invalid value", "spec.strategy.canaryService: Invalid value"}},
		{"all traffic cannot be nothing", "strategy: {canary: {stableService: s, canaryService: c, trafficRouting: {gatewayAPI: {httpRoute: r}, maxTrafficWeight: 0}}}",
			[]string{"spec.strategy.trafficRouting.maxTrafficWeight: Invalid value"}},
		{"every bad step at once", `strategy: {canary: {steps: [{setWeight: 101}, {}, {pause: {duration: 1d}}, {setCanaryScale: {weight: 5}}, {setWeight: 5, pause: {}}]}}`,
			[]string{"spec.strategy.steps[0].setWeight: Invalid value", "spec.strategy.steps[1]: Invalid value", "spec.strategy.steps[2].pause.duration: Invalid value",
				"spec.strategy.steps[3].setCanaryScale: Invalid value", "spec.strategy.steps[4]: Invalid value"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, lines(Rollout(with(t, c.patch)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMessageHoldsEveryMistake(t *testing.T) {
	got := Message("shop", Rollout(with(t, "{replicas: -1, strategy: {}}")))
	for _, part := range []string{`The Rollout "shop" is invalid: spec.replicas: `, "; spec.strategy.strategy: "} {
		if !strings.Contains(got, part) {
			t.Errorf("%q lacks %q", got, part)
		}
	}
}

func TestUnsupportedNamesWhatIsNotBuilt(t *testing.T) {
	for _, c := range []struct {
		name, patch string
		want        []string
	}{
		{"what is built passes", `strategy: {canary: {stableService: s, canaryService: c, trafficRouting: {gatewayAPI: {httpRoute: r}},
			analysis: {templates: [{templateName: t}]}, dynamicStableScale: true, antiAffinity: {}, canaryMetadata: {}, stableMetadata: {},
			steps: [{setWeight: 5}, {pause: {}}, {setCanaryScale: {weight: 5}}, {analysis: {}}, {setHeaderRoute: {}}, {setMirrorRoute: {name: m}}, {experiment: {templates: []}}]}}`, nil},
		{"blue-green and a reference pass", "{workloadRef: {name: d}, strategy: {blueGreen: {activeService: a}}}", nil},
		{"the gateway plugin passes", "strategy: {canary: {trafficRouting: {plugins: {argoproj-labs/gatewayAPI: {}}}}}", nil},
		{"steps are named by their index", "strategy: {canary: {steps: [{setWeight: 5}, {pause: {}}, {plugin: {name: p}}]}}",
			[]string{"spec.strategy.canary.steps[2].plugin: Forbidden"}},
		{"another router and another plugin", "strategy: {canary: {trafficRouting: {istio: {}, plugins: {x/y: {}, a/b: {}}}}}",
			[]string{"spec.strategy.canary.trafficRouting.istio: Forbidden", "spec.strategy.canary.trafficRouting.plugins[a/b]: Forbidden", "spec.strategy.canary.trafficRouting.plugins[x/y]: Forbidden"}},
		{"routing by nothing", "strategy: {canary: {trafficRouting: {}}}", []string{"spec.strategy.canary.trafficRouting: Forbidden"}},
		{"Services that swap roles", "strategy: {canary: {pingPong: {pingService: a, pongService: b}}}", []string{"spec.strategy.canary.pingPong: Forbidden"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, lines(Unsupported(with(t, c.patch)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
