package action

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var now = time.Date(2026, 3, 2, 9, 30, 5, 0, time.UTC)

func read(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	json, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(json); err != nil {
		t.Fatal(err)
	}
	return o
}

func newActions(t *testing.T, custom map[string]string) *Actions {
	t.Helper()
	a, err := New(custom)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// told writes changes as YAML, new objects with a plus.
func told(t *testing.T, changes []Change) string {
	t.Helper()
	var all []string
	for _, c := range changes {
		text, err := yaml.Marshal(c.Object.Object)
		if err != nil {
			t.Fatal(err)
		}
		mark := "~ "
		if c.Create {
			mark = "+ "
		}
		all = append(all, mark+strings.TrimSpace(string(text)))
	}
	return strings.Join(all, "\n")
}

const web = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n"

func TestBuiltInActionsChangeWhatTheyAreNamedFor(t *testing.T) {
	rollout := "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web, namespace: shop}\n"
	canary := rollout + "spec: {strategy: {canary: {steps: [{setWeight: 10}, {pause: {}}]}}}\n"
	for name, c := range map[string]struct {
		object, action string
		parameters     map[string]string
		path           string
		want           any
	}{
		"a Deployment is restarted":  {web + "spec: {template: {}}", "restart", nil, "spec.template.metadata.annotations.kubectl%kubernetes%io/restartedAt", "2026-03-02T09:30:05Z"},
		"a Deployment is scaled":     {web, "scale", map[string]string{"replicas": "5"}, "spec.replicas", int64(5)},
		"a Deployment is paused":     {web, "pause", nil, "spec.paused", true},
		"a Deployment goes on":       {web + "spec: {paused: true}", "resume", nil, "spec.paused", false},
		"a CronJob is suspended":     {"apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}", "suspend", nil, "spec.suspend", true},
		"a Rollout is restarted":     {rollout, "restart", nil, "spec.restartAt", "2026-03-02T09:30:05Z"},
		"a Rollout is paused":        {rollout, "pause", nil, "spec.paused", true},
		"a paused canary goes on":    {rollout + "status: {pauseConditions: [{reason: CanaryPauseStep}]}", "resume", nil, "status.pauseConditions", nil},
		"a canary is aborted":        {rollout + "status: {currentPodHash: b, stableRS: a}", "abort", nil, "status.abort", true},
		"an aborted canary retries":  {rollout + "status: {currentPodHash: b, stableRS: a, abort: true}", "retry", nil, "status.abort", nil},
		"a canary is promoted":       {rollout + "status: {currentPodHash: b, stableRS: a}", "promote-full", nil, "status.promoteFull", true},
		"a step is skipped":          {canary + "status: {currentStepIndex: 1}", "skip-current-step", nil, "status.currentStepIndex", int64(2)},
		"an AnalysisRun is ended":    {"apiVersion: argoproj.io/v1alpha1\nkind: AnalysisRun\nmetadata: {name: a}\nstatus: {phase: Running}", "terminate", nil, "spec.terminate", true},
		"an Experiment is ended too": {"apiVersion: argoproj.io/v1alpha1\nkind: Experiment\nmetadata: {name: a}", "terminate", nil, "spec.terminate", true},
	} {
		t.Run(name, func(t *testing.T) {
			o := read(t, c.object)
			before := o.DeepCopy()
			changes, err := newActions(t, nil).Run(o, c.action, c.parameters, now)
			if err != nil || len(changes) != 1 || changes[0].Create {
				t.Fatalf("%v %v", changes, err)
			}
			path := strings.Split(c.path, ".")
			for i := range path {
				path[i] = strings.ReplaceAll(path[i], "%", ".")
			}
			got, found, err := unstructured.NestedFieldNoCopy(changes[0].Object.Object, path...)
			if err != nil || !found || !cmp.Equal(got, c.want) {
				t.Errorf("%s is %v, %t, %v", c.path, got, found, err)
			}
			if diff := cmp.Diff(before, o); diff != "" {
				t.Errorf("the object itself was changed:\n%s", diff)
			}
		})
	}
}

func TestActionsThatMakeNoSenseAreRefused(t *testing.T) {
	rollout := "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\n"
	for name, c := range map[string]struct{ object, action, want string }{
		"one that is not there":             {web, "explode", "there is no such action; there are pause, restart, resume, scale"},
		"a kind without any":                {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}", "restart", "there are none"},
		"going on with what is not paused":  {web, "resume", "it makes no sense"},
		"aborting what is finished":         {rollout + "status: {currentPodHash: a, stableRS: a}", "abort", "it makes no sense"},
		"promoting what is finished":        {rollout + "status: {currentPodHash: a, stableRS: a}", "promote-full", "it makes no sense"},
		"retrying what was not aborted":     {rollout + "status: {currentPodHash: b, stableRS: a}", "retry", "it makes no sense"},
		"pausing what is aborted":           {rollout + "status: {currentPodHash: b, stableRS: a, abort: true}", "pause", "it makes no sense"},
		"skipping where no step is left":    {rollout + "spec: {strategy: {canary: {steps: [{setWeight: 1}]}}}\nstatus: {currentStepIndex: 1}", "skip-current-step", "it makes no sense"},
		"ending what has ended":             {"apiVersion: argoproj.io/v1alpha1\nkind: AnalysisRun\nmetadata: {name: a}\nstatus: {phase: Failed}", "terminate", "it makes no sense"},
		"scaling to nowhere":                {web, "scale", "replicas must be a number"},
		"a CronJob that has no template":    {"apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}", "create-job", "it has no spec.jobTemplate.spec"},
		"a template that is something else": {web + "spec: {template: text}", "restart", "no object"},
	} {
		t.Run(name, func(t *testing.T) {
			changes, err := newActions(t, nil).Run(read(t, c.object), c.action, nil, now)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v %v", changes, err)
			}
		})
	}
}

func TestACronJobRunsOnce(t *testing.T) {
	o := read(t, `
apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: shop, uid: "17"}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    metadata: {labels: {app: report}, annotations: {team: data}}
    spec: {template: {spec: {restartPolicy: Never}}}
`)
	changes, err := newActions(t, nil).Run(o, "create-job", nil, now)
	if err != nil {
		t.Fatal(err)
	}
	want := `+ apiVersion: batch/v1
kind: Job
metadata:
  annotations:
    cronjob.kubernetes.io/instantiate: manual
    team: data
  labels:
    app: report
  name: report-202603020930
  namespace: shop
  ownerReferences:
  - apiVersion: batch/v1
    kind: CronJob
    name: report
    uid: "17"
spec:
  template:
    spec:
      restartPolicy: Never`
	if diff := cmp.Diff(want, told(t, changes)); diff != "" {
		t.Error(diff)
	}
}

// scripts are actions as teams write them.
const scripts = `
mergeBuiltinActions: true
discovery.lua: |
  actions = {}
  actions["label"] = {["disabled"] = obj.metadata.labels ~= nil, ["displayName"] = "Label it", ["iconClass"] = "fa fa-tag", ["params"] = {{["name"] = "team"}}}
  actions["copy"] = {["disabled"] = false}
  actions["reach"] = {}
  actions["swap"] = {}
  actions["spin"] = {}
  actions["stamp"] = {}
  return actions
definitions:
- name: label
  action.lua: |
    obj.metadata.labels = {team = actionParams["team"], at = os.date("!%Y-%m-%dT%XZ")}
    return obj
- name: copy
  action.lua: |
    local copy = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = obj.metadata.name .. "-copy", namespace = obj.metadata.namespace}}
    obj.metadata.annotations = {copied = "true"}
    return {{["operation"] = "create", ["resource"] = copy}, {["operation"] = "patch", ["resource"] = obj}}
- name: reach
  action.lua: |
    return {{operation = "create", resource = {apiVersion = "v1", kind = "Secret", metadata = {name = "a", namespace = "kube-system"}}}}
- name: swap
  action.lua: |
    obj.metadata.name = "other"
    return obj
- name: stamp
  action.lua: |
    local os = require("os")
    if obj.spec.template.metadata == nil then
        obj.spec.template.metadata = {}
    end
    if obj.spec.template.metadata.annotations == nil then
        obj.spec.template.metadata.annotations = {}
    end
    obj.spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"] = os.date("!%Y-%m-%dT%XZ")
    return obj
- name: spin
  action.lua: while true do end
`

func TestTeamsBringTheirOwnActions(t *testing.T) {
	a := newActions(t, map[string]string{"apps/Deployment": scripts})
	o := read(t, web+"spec: {template: {spec: {volumes: [], containers: [{args: [], resources: {}}]}}}")
	all, err := a.List(o, now)
	if err != nil {
		t.Fatal(err)
	}
	want := []Action{
		{Name: "copy"}, {Name: "label", DisplayName: "Label it", IconClass: "fa fa-tag", Parameters: []string{"team"}}, {Name: "pause"}, {Name: "reach"}, {Name: "restart"},
		{Name: "resume", Disabled: true}, {Name: "scale", Parameters: []string{"replicas"}}, {Name: "spin"}, {Name: "stamp"}, {Name: "swap"},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	changes, err := a.Run(o, "label", map[string]string{"team": "checkout"}, now)
	if err != nil {
		t.Fatal(err)
	}
	labelled := o.DeepCopy()
	labelled.SetLabels(map[string]string{"team": "checkout", "at": "2026-03-02T09:30:05Z"})
	if diff := cmp.Diff(told(t, []Change{{Object: labelled}}), told(t, changes)); diff != "" {
		t.Errorf("an empty list or map was lost, or more:\n%s", diff)
	}
	if changes, err = a.Run(o, "copy", nil, now); err != nil || len(changes) != 2 || !changes[0].Create || changes[0].Object.GetName() != "web-copy" || changes[1].Create {
		t.Errorf("%s %v", told(t, changes), err)
	}
	builtIn, err := newActions(t, nil).Run(o, "restart", nil, now)
	if err != nil {
		t.Fatal(err)
	}
	if changes, err = a.Run(o, "stamp", nil, now); err != nil || told(t, changes) != told(t, builtIn) {
		t.Errorf("a restart in Lua is\n%s\nand ours\n%s\n%v", told(t, changes), told(t, builtIn), err)
	}
	for name, why := range map[string]string{"reach": `reaches into namespace "kube-system"`, "swap": "is not its object", "spin": "takes more than"} {
		if _, err := a.Run(o, name, nil, now); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestActionsOfATeamTakeThePlaceOfThoseThatAreBuiltIn(t *testing.T) {
	a := newActions(t, map[string]string{"apps/Deployment": strings.Replace(scripts, "mergeBuiltinActions: true", "", 1)})
	if _, err := a.Run(read(t, web), "restart", nil, now); err == nil || !strings.Contains(err.Error(), "there is no such action") {
		t.Errorf("error %v", err)
	}
}

func TestActionsThatCannotBeReadAreTold(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no YAML":             {"{", "they must be YAML"},
		"a typo":              {"discovery: x", "they must be YAML"},
		"a broken discovery":  {"discovery.lua: 'return ('", "reading the script"},
		"a broken action":     {"definitions: [{name: a, action.lua: 'return ('}]", "the action a: reading the script"},
		"two of one name":     {"definitions: [{name: a, action.lua: return obj}, {name: a, action.lua: return obj}]", "a name of its own"},
		"one without a name":  {"definitions: [{action.lua: return obj}]", "a name of its own"},
		"no definition at it": {"discovery.lua: 'return {a = {}}'", ""},
	} {
		err := Check(c.text)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"without a definition":  "discovery.lua: 'return {a = {}}'",
		"that are no table":     "discovery.lua: return 3",
		"from a script at odds": "discovery.lua: return obj.spec.x.y.z",
	} {
		if _, err := newActions(t, map[string]string{"apps/Deployment": text}).List(read(t, web), now); err == nil {
			t.Errorf("actions %s were found", name)
		}
	}
}

func FuzzActionsAreReadOrTold(f *testing.F) {
	f.Add(scripts)
	f.Add("definitions: [{name: a, action.lua: 'return obj'}]")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := New(map[string]string{"apps/Deployment": text})
		if err != nil {
			return
		}
		o := read(t, web)
		all, err := a.List(o, now)
		if err != nil {
			return
		}
		for _, one := range all {
			changes, err := a.Run(o, one.Name, nil, now)
			if err != nil {
				continue
			}
			for _, c := range changes {
				if c.Object.GetNamespace() != o.GetNamespace() {
					t.Errorf("%s reached into %q", one.Name, c.Object.GetNamespace())
				}
			}
		}
	})
}
