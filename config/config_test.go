package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	gitops "github.com/sluice-delivery/sluice/apis/gitops/validation"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/validation"
)

type document struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	raw             []byte
}

// documents splits a file into the JSON of its documents.
func documents(t *testing.T, file string) []document {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []document
	stream := yaml.NewYAMLToJSONDecoder(bytes.NewReader(text))
	for {
		var raw json.RawMessage
		err := stream.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		one := document{raw: raw}
		if err := json.Unmarshal(raw, &one); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, one)
	}
}

// strictly refuses fields that the type does not have.
func strictly(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := sigsyaml.UnmarshalStrict(raw, into); err != nil {
		t.Fatal(err)
	}
}

func rules(t *testing.T, file, name string) []string {
	t.Helper()
	for _, d := range documents(t, file) {
		if d.Metadata.Name != name || !strings.HasSuffix(d.Kind, "Role") {
			continue
		}
		var role rbacv1.ClusterRole
		strictly(t, d.raw, &role)
		var lines []string
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					lines = append(lines, strings.Trim(group+"/"+resource, "/")+": "+strings.Join(rule.Verbs, " "))
				}
			}
		}
		return lines
	}
	t.Fatalf("%s has no role %s", file, name)
	return nil
}

func TestTheControllerMayDoWhatItDoesAndNoMore(t *testing.T) {
	want := []string{
		"argoproj.io/rollouts: get list watch patch",
		"argoproj.io/rollouts/status: patch",
		"argoproj.io/rollouts/finalizers: update",
		"argoproj.io/analysisruns/finalizers: update", "argoproj.io/experiments/finalizers: update",
		"argoproj.io/analysisruns: get list watch create patch delete", "argoproj.io/experiments: get list watch create patch delete",
		"argoproj.io/analysistemplates: get list watch",
		"apps/replicasets: get list watch create patch delete",
		"services: get list watch create patch delete",
		"apps/deployments: get list watch patch",
		"podtemplates: get list watch",
		"pods: get list watch patch",
		"pods/eviction: create",
		"batch/jobs: get list watch create delete",
		"gateway.networking.k8s.io/httproutes: get list watch patch",
		"gateway.networking.k8s.io/grpcroutes: get list watch patch",
		"gateway.networking.k8s.io/tcproutes: get list watch patch",
		"gateway.networking.k8s.io/tlsroutes: get list watch patch",
		"events: create patch",
		"events.k8s.io/events: create patch",
	}
	if diff := cmp.Diff(want, rules(t, "rbac/controller_role.yaml", "sluice-controller")); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyAdministratorsOfTheControlNamespaceChangeTheRulesOfProjects(t *testing.T) {
	const change = ": create update patch delete deletecollection"
	const look = ": get list watch"
	for name, want := range map[string][]string{
		"sluice-gitops-view": {
			"argoproj.io/applications" + look, "argoproj.io/applicationsets" + look, "argoproj.io/applicationsets/status" + look, "argoproj.io/appprojects" + look,
		},
		"sluice-gitops-edit":  {"argoproj.io/applications" + change, "argoproj.io/applicationsets" + change},
		"sluice-gitops-admin": {"argoproj.io/appprojects" + change},
	} {
		if diff := cmp.Diff(want, rules(t, "gitops/user_roles.yaml", name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, d := range documents(t, "gitops/user_roles.yaml") {
		if _, edits := d.Metadata.Labels["rbac.authorization.k8s.io/aggregate-to-edit"]; edits == (d.Metadata.Name == "sluice-gitops-admin") {
			t.Errorf("%s is given to the wrong people: %v", d.Metadata.Name, d.Metadata.Labels)
		}
	}
}

func TestNotificationsMayReadTheirTwoObjectsAndNoOther(t *testing.T) {
	for file, want := range map[string]rbacv1.PolicyRule{
		"rbac/notification_role.yaml":            {Resources: []string{"configmaps"}, ResourceNames: []string{"argo-rollouts-notification-configmap"}},
		"rbac/optional_notification_secret.yaml": {Resources: []string{"secrets"}, ResourceNames: []string{"argo-rollouts-notification-secret"}},
	} {
		want.APIGroups, want.Verbs = []string{""}, []string{"get"}
		var role rbacv1.Role
		strictly(t, documents(t, file)[0].raw, &role)
		if diff := cmp.Diff([]rbacv1.PolicyRule{want}, role.Rules); diff != "" || role.Kind != "Role" {
			t.Errorf("%s is a %s: %s", file, role.Kind, diff)
		}
	}
}

func TestNoInstalledRoleTouchesSecretsOrTakesEverything(t *testing.T) {
	for _, file := range resources(t, "rbac") {
		for _, d := range documents(t, file) {
			text := string(d.raw)
			if strings.Contains(text, `"secrets"`) || strings.Contains(text, `"*"`) {
				t.Errorf("%s: %s %s grants Secrets or everything", file, d.Kind, d.Metadata.Name)
			}
		}
	}
}

func TestLeasesAreGrantedInTheNamespaceOfTheControllerOnly(t *testing.T) {
	for _, file := range resources(t, "rbac") {
		for _, d := range documents(t, file) {
			if strings.Contains(string(d.raw), `"leases"`) && d.Kind != "Role" {
				t.Errorf("%s: %s %s grants leases everywhere", file, d.Kind, d.Metadata.Name)
			}
		}
	}
}

// resources lists the files that a kustomization installs, and fails if one of them is missing.
func resources(t *testing.T, folder string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var k struct{ Resources []string }
	if err := sigsyaml.Unmarshal(text, &k); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, resource := range k.Resources {
		path := filepath.Join(folder, resource)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if !info.IsDir() {
			files = append(files, path)
		}
	}
	return files
}

func TestEachKustomizationNamesFilesThatExist(t *testing.T) {
	for _, folder := range []string{"crd", "rbac", "controller", "gitops", "system", "default", "rollouts", "namespaced"} {
		resources(t, folder)
	}
	crds, err := filepath.Glob("crd/argoproj.io_*.yaml")
	if err != nil || !slices.Equal(crds, resources(t, "crd")) {
		t.Errorf("config/crd holds %q and installs %q, error %v", crds, resources(t, "crd"), err)
	}
}

func TestTheControllerRunsRestricted(t *testing.T) {
	var d appsv1.Deployment
	strictly(t, documents(t, "controller/deployment.yaml")[0].raw, &d)
	pod, container := d.Spec.Template.Spec, d.Spec.Template.Spec.Containers[0]
	for what, holds := range map[string]bool{
		"two replicas":               *d.Spec.Replicas == 2,
		"not as root":                *pod.SecurityContext.RunAsNonRoot,
		"default seccomp profile":    pod.SecurityContext.SeccompProfile.Type == "RuntimeDefault",
		"no privilege escalation":    !*container.SecurityContext.AllowPrivilegeEscalation,
		"no capability":              slices.Contains(container.SecurityContext.Capabilities.Drop, "ALL"),
		"read-only file system":      *container.SecurityContext.ReadOnlyRootFilesystem,
		"leader election":            slices.Contains(container.Args, "--leader-elect"),
		"a liveness probe":           container.LivenessProbe != nil,
		"a readiness probe":          container.ReadinessProbe != nil,
		"a request for memory":       !container.Resources.Requests.Memory().IsZero(),
		"a limit of memory":          !container.Resources.Limits.Memory().IsZero(),
		"its account":                pod.ServiceAccountName == "sluice-controller",
		"labels that fit":            cmp.Equal(d.Spec.Selector.MatchLabels, d.Spec.Template.Labels),
		"a folder that it may write": pod.Volumes[0].EmptyDir != nil && container.VolumeMounts[0].MountPath == "/tmp",
		"a place that differs":       len(pod.TopologySpreadConstraints) == 1,
		"a metrics port of its own":  container.Ports[0].ContainerPort == 8090,
	} {
		if !holds {
			t.Errorf("the Deployment lacks: %s", what)
		}
	}
}

func TestSamplesAreValidAndSayWhatTheyShow(t *testing.T) {
	files, err := filepath.Glob("samples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d samples, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(text, []byte("# ")) {
				t.Error("the sample does not begin with a comment that says what it shows")
			}
			for _, d := range documents(t, file) {
				checkSample(t, d)
			}
		})
	}
}

func checkSample(t *testing.T, d document) {
	t.Helper()
	switch d.Kind {
	case "Rollout":
		var r v1alpha1.Rollout
		strictly(t, d.raw, &r)
		if errs := append(validation.Rollout(&r), validation.Unsupported(&r)...); len(errs) > 0 {
			t.Error(validation.Message(r.Name, errs))
		}
	case "AnalysisTemplate":
		strictly(t, d.raw, &v1alpha1.AnalysisTemplate{})
	case "Application":
		var a gitopsv1.Application
		strictly(t, d.raw, &a)
		refused(t, gitops.Application(&a))
	case "ApplicationSet":
		var set gitopsv1.ApplicationSet
		strictly(t, d.raw, &set)
		refused(t, gitops.ApplicationSet(&set))
	case "AppProject":
		var p gitopsv1.AppProject
		strictly(t, d.raw, &p)
		refused(t, gitops.AppProject(&p))
	}
}

func refused(t *testing.T, problems field.ErrorList) {
	t.Helper()
	for _, problem := range problems {
		t.Error(problem)
	}
}
