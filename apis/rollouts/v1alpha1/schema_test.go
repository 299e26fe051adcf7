package v1alpha1_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const crdFolder = "../../../config/crd"

// admission judges objects as the API server does with one of our CRDs.
type admission struct {
	schema *schema.Structural
	values validation.SchemaValidator
	rules  *cel.Validator
}

func readCRD(t *testing.T, path string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		t.Fatal(err)
	}
	return &crd
}

func admissionOf(t *testing.T, file string) admission {
	t.Helper()
	crd := readCRD(t, filepath.Join(crdFolder, file))
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil); err != nil {
		t.Fatal(err)
	}
	structural, err := schema.NewStructural(&internal)
	if err != nil {
		t.Fatal(err)
	}
	values, _, err := validation.NewSchemaValidator(&internal)
	if err != nil {
		t.Fatal(err)
	}
	return admission{structural, values, cel.NewValidator(structural, true, celconfig.PerCallLimit)}
}

// refusals lists why the API server would not take the object, or the change from old to it.
func (a admission) refusals(object, old map[string]any) []string {
	var reasons []string
	errs := validation.ValidateCustomResource(nil, object, a.values)
	var before any
	if old != nil {
		before = old
	}
	celErrs, _ := a.rules.Validate(context.Background(), nil, a.schema, object, before, celconfig.RuntimeCELCostBudget)
	for _, err := range append(errs, celErrs...) {
		reasons = append(reasons, err.Error())
	}
	return reasons
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestEachCRDInstallsWithAPlainApply(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(crdFolder, "argoproj.io_*.yaml"))
	if err != nil || len(files) != 8 {
		t.Fatalf("found %d CRDs, error %v, want 8", len(files), err)
	}
	for _, file := range files {
		crd := readCRD(t, file)
		asJSON, err := json.Marshal(crd)
		if err != nil {
			t.Fatal(err)
		}
		if limit := 256 << 10; len(asJSON) > limit {
			t.Errorf("%s has %d bytes, and an annotation holds %d", file, len(asJSON), limit)
		}
		apiextensionsv1.SetDefaults_CustomResourceDefinition(crd)
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
		var internal apiextensions.CustomResourceDefinition
		if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, &internal, nil); err != nil {
			t.Fatal(err)
		}
		internal.Status.StoredVersions = []string{"v1alpha1"}
		if errs := crdvalidation.ValidateCustomResourceDefinition(context.Background(), &internal); len(errs) > 0 {
			t.Errorf("the API server would refuse %s: %v", file, errs.ToAggregate())
		}
	}
}

// An object that one user can store and no controller can decode would blind the controller to every object of that kind.
func TestWhatTheSchemaAdmitsCanBeDecoded(t *testing.T) {
	for _, c := range []struct{ file, object string }{
		{"rollouts", `spec: {replicas: 1.0e+30}`},
		{"rollouts", `spec: {replicas: 3000000000}`},
		{"rollouts", `spec: {replicas: "3"}`},
		{"rollouts", `spec: {restartAt: 2020-01-01t00:00:00z}`},
		{"rollouts", `spec: {restartAt: "2020-01-01T00:00:00+25:00"}`},
		{"rollouts", `spec: {restartAt: ""}`},
		{"rollouts", `spec: {restartAt: []}`},
		{"rollouts", `spec: {restartAt: [1]}`},
		{"rollouts", `spec: {template: []}`},
		{"rollouts", `spec: {template: {spec: {containers: 1}}}`},
		{"rollouts", `spec: {strategy: {canary: {maxSurge: 99999999999}}}`},
		{"rollouts", `spec: {strategy: {canary: {maxSurge: 1.5}}}`},
		{"rollouts", `spec: {strategy: {canary: {maxUnavailable: -99999999999}}}`},
		{"rollouts", `spec: {strategy: {blueGreen: {maxUnavailable: 99999999999}}}`},
		{"rollouts", `spec: {strategy: {canary: {steps: [{setWeight: 4294967296}]}}}`},
		{"rollouts", `spec: {strategy: {canary: {steps: [{pause: {duration: 4294967296}}]}}}`},
		{"rollouts", `spec: {strategy: {canary: {steps: [{plugin: {name: p, config: [1, a]}}]}}}`},
		{"rollouts", `spec: {strategy: {canary: {trafficRouting: {plugins: {a: 1, b: null}}}}}`},
		{"rollouts", `{spec: {}, status: {currentStepIndex: 4294967296}}`},
		{"rollouts", `{spec: {}, status: {abortedAt: 2020-01-01t00:00:00z}}`},
		{"rollouts", `{spec: {}, status: {restartedAt: 2020-01-01t00:00:00z}}`},
		{"rollouts", `{spec: {}, status: {pauseConditions: [{reason: r, startTime: 2020-01-01t00:00:00z}]}}`},
		{"rollouts", `{spec: {}, status: {conditions: [{type: a, status: b, lastUpdateTime: 2020-01-01t00:00:00z}]}}`},
		{"analysisruns", `spec: {metrics: [{name: m, provider: {}, count: 99999999999}]}`},
		{"analysisruns", `spec: {metrics: [{name: m, provider: {}, failureLimit: 99999999999}]}`},
		{"analysisruns", `spec: {metrics: [{name: m, provider: {}, inconclusiveLimit: 99999999999}]}`},
		{"analysisruns", `spec: {metrics: [{name: m, provider: {}, consecutiveErrorLimit: 99999999999}]}`},
		{"analysisruns", `spec: {metrics: [{name: m, provider: {}, consecutiveSuccessLimit: 99999999999}]}`},
		{"analysisruns", `spec: {metrics: [{name: m, provider: {cloudWatch: {metricDataQueries: [{period: 99999999999}]}}}]}`},
		{"analysisruns", `spec: {metrics: [{name: m, provider: {cloudWatch: {metricDataQueries: [{metricStat: {period: 99999999999}}]}}}]}`},
		{"analysisruns", `spec: {metrics: [{name: m, provider: {web: {url: u, timeoutSeconds: 1.0e+30}}}]}`},
		{"analysisruns", `spec: {metrics: [{name: m, provider: {web: {url: u, jsonBody: [1, {a: null}]}}}]}`},
		{"analysisruns", `spec: {metrics: [{name: m, provider: {job: {spec: {template: 1}}}}]}`},
		{"analysisruns", `{spec: {metrics: []}, status: {startedAt: 2020-01-01t00:00:00z}}`},
		{"analysisruns", `{spec: {metrics: []}, status: {metricResults: [{name: a, phase: b, measurements: [{phase: c, resumeAt: 2020-01-01t00:00:00z}]}]}}`},
		{"analysistemplates", `spec: {metrics: [{name: m, provider: {}, count: 99999999999}]}`},
		{"clusteranalysistemplates", `spec: {measurementRetention: [{metricName: m, limit: 99999999999}]}`},
		{"experiments", `{spec: {templates: []}, status: {availableAt: 2020-01-01t00:00:00z}}`},
		{"experiments", `spec: {templates: [{name: a, selector: {}, template: 1}]}`},
	} {
		t.Run(c.file+" "+c.object, func(t *testing.T) {
			object := parse(t, c.object)
			if len(admissionOf(t, "argoproj.io_"+c.file+".yaml").refusals(object, nil)) > 0 {
				return
			}
			if err := decode(t, c.file, object); err != nil {
				t.Errorf("the schema admits it, and decoding fails: %v", err)
			}
		})
	}
}

func decode(t *testing.T, file string, object map[string]any) error {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	into := map[string]any{
		"rollouts":                 &v1alpha1.Rollout{},
		"analysisruns":             &v1alpha1.AnalysisRun{},
		"analysistemplates":        &v1alpha1.AnalysisTemplate{},
		"clusteranalysistemplates": &v1alpha1.ClusterAnalysisTemplate{},
		"experiments":              &v1alpha1.Experiment{},
	}[file]
	return json.Unmarshal(text, into)
}

func TestTheSchemaRefusesWhatCanNeverBeMeant(t *testing.T) {
	rollouts := admissionOf(t, "argoproj.io_rollouts.yaml")
	for _, c := range []struct{ name, old, object, part string }{
		{"a Rollout without a strategy is told so in its status", "", `spec: {}`, ""},
		{"weights above the maximum are told in the status, because a router may allow them", "", `spec: {strategy: {canary: {steps: [{setWeight: 200}]}}}`, ""},
		{"a negative number of pods", "", `spec: {replicas: -1}`, "spec.replicas"},
		{"a negative weight", "", `spec: {strategy: {canary: {steps: [{setWeight: -1}]}}}`, "setWeight"},
		{"two strategies", "", `spec: {strategy: {canary: {}, blueGreen: {activeService: a}}}`, "one strategy"},
		{"another selector", `spec: {selector: {matchLabels: {a: b}}}`, `spec: {selector: {matchLabels: {a: c}}}`, "immutable"},
		{"no selector any more", `spec: {selector: {matchLabels: {a: b}}}`, `spec: {}`, "immutable"},
		{"a first selector", `spec: {}`, `spec: {selector: {matchLabels: {a: c}}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var old map[string]any
			if c.old != "" {
				old = parse(t, c.old)
			}
			reasons := strings.Join(rollouts.refusals(parse(t, c.object), old), "\n")
			if c.part == "" && reasons != "" || !strings.Contains(reasons, c.part) {
				t.Errorf("refusals %q, want %q", reasons, c.part)
			}
		})
	}
}

func TestTheSchemaAdmitsTheSamples(t *testing.T) {
	files, err := filepath.Glob("../../../config/samples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d samples, error %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "\n---\n") {
			object := parse(t, part)
			if object["apiVersion"] != "argoproj.io/v1alpha1" {
				continue
			}
			kind := strings.ToLower(object["kind"].(string)) + "s"
			if reasons := admissionOf(t, "argoproj.io_"+kind+".yaml").refusals(object, nil); len(reasons) > 0 {
				t.Errorf("%s: %q", file, reasons)
			}
		}
	}
}
