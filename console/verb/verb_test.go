package verb

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

var key = client.ObjectKey{Namespace: "shop", Name: "web"}

// server is an API server that notes every patch it gets and can do something just before one arrives.
type server struct {
	client.Client
	patches []string
	// before runs ahead of the n-th patch, counted from 1.
	before func(c client.Client, n int) error
}

type serverOption func(*fake.ClientBuilder) *fake.ClientBuilder

// withoutStatus serves a CRD that has no status subresource.
func withoutStatus(b *fake.ClientBuilder) *fake.ClientBuilder { return b }

func withStatus(b *fake.ClientBuilder) *fake.ClientBuilder {
	return b.WithStatusSubresource(&v1alpha1.Rollout{})
}

func serve(t *testing.T, option serverOption, objects ...client.Object) *server {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{}
	note := func(c client.Client, where string, o client.Object, p client.Patch) error {
		body, err := p.Data(o)
		if err != nil {
			return err
		}
		s.patches = append(s.patches, where+" "+withoutVersion(body))
		if s.before != nil {
			return s.before(c, len(s.patches))
		}
		return nil
	}
	s.Client = option(fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...)).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if err := note(c, o.GetName(), o, p); err != nil {
				return err
			}
			return c.Patch(ctx, o, p, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if err := note(c, o.GetName()+"/"+sub, o, p); err != nil {
				return err
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	}).Build()
	return s
}

// withoutVersion replaces the version that a conditional patch carries, which the fake server chooses.
func withoutVersion(body []byte) string {
	var parsed map[string]any
	if json.Unmarshal(body, &parsed) != nil || parsed["metadata"] == nil {
		return string(body)
	}
	parsed["metadata"] = "IF UNCHANGED"
	replaced, err := json.Marshal(parsed)
	if err != nil {
		return err.Error()
	}
	return string(replaced)
}

// rollout parses a Rollout shop/web from what follows its metadata.
func rollout(t *testing.T, text string) *v1alpha1.Rollout {
	t.Helper()
	r := &v1alpha1.Rollout{}
	if err := yaml.UnmarshalStrict([]byte(text), r); err != nil {
		t.Fatal(err)
	}
	r.Namespace, r.Name, r.UID = key.Namespace, key.Name, "web-uid"
	return r
}

func (s *server) rollout(t *testing.T) *v1alpha1.Rollout {
	t.Helper()
	r := &v1alpha1.Rollout{}
	if err := s.Get(t.Context(), key, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// canary is in the midst of an update with four steps.
const canary = `
spec:
  strategy: {canary: {steps: [{setWeight: 10}, {pause: {}}, {analysis: {}}, {setWeight: 50}]}}
status: {currentPodHash: new, stableRS: old, `

type call func(*server) (string, error)

// check runs a verb and compares what it said and what it sent.
func check(t *testing.T, s *server, do call, words string, patches ...string) {
	t.Helper()
	said, err := do(s)
	if err != nil {
		said = "error: " + err.Error()
	}
	if diff := cmp.Diff(words, said); diff != "" {
		t.Errorf("words:\n%s", diff)
	}
	if diff := cmp.Diff(patches, s.patches); diff != "" {
		t.Errorf("patches:\n%s", diff)
	}
}

func TestVerbsSendThePatchOfTheWireContract(t *testing.T) {
	abort := func(s *server) (string, error) { return Abort(t.Context(), s, key) }
	again := func(s *server) (string, error) { return Retry(t.Context(), s, key) }
	pause := func(s *server) (string, error) { return Pause(t.Context(), s, key) }
	restart := func(s *server) (string, error) {
		return Restart(t.Context(), s, key, time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("", 3600)))
	}
	for name, c := range map[string]struct {
		do      call
		rollout string
		words   string
		patches []string
	}{
		"abort": {abort, canary + `currentStepIndex: 1}`,
			"rollout shop/web: abort asked for, traffic returns to the stable revision", []string{`web/status {"status":{"abort":true}}`}},
		"abort with nothing under way": {abort, `status: {currentPodHash: old, stableRS: old}`,
			"error: rollout shop/web: nothing to abort: the current revision is the stable one; undo returns to an earlier one", nil},
		"abort of a change that the controller has not seen": {abort, `{metadata: {generation: 2}, status: {currentPodHash: old, stableRS: old, observedGeneration: "1"}}`,
			"rollout shop/web: abort asked for, traffic returns to the stable revision", []string{`web/status {"status":{"abort":true}}`}},
		"retry": {again, canary + `abort: true}`,
			"rollout shop/web: retry asked for, the update begins again at its first step", []string{`web/status {"status":{"abort":false}}`}},
		"retry of what is not aborted": {again, canary + `}`,
			"error: rollout shop/web: nothing to retry: the update is not aborted", nil},
		"pause": {pause, canary + `}`,
			"rollout shop/web: paused, promote goes on", []string{`web {"spec":{"paused":true}}`}},
		"pause of what is paused": {pause, `spec: {paused: true}`,
			"rollout shop/web: is paused already", nil},
		"restart": {restart, canary + `}`,
			"rollout shop/web: pods older than 2026-01-02T03:04:05Z are restarted", []string{`web {"spec":{"restartAt":"2026-01-02T03:04:05Z"}}`}},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, serve(t, withStatus, rollout(t, c.rollout)), c.do, c.words, c.patches...)
		})
	}
}

func TestAStatusPatchFallsBackToTheMainResource(t *testing.T) {
	s := serve(t, withoutStatus, rollout(t, canary+`}`))
	check(t, s, func(s *server) (string, error) { return Abort(t.Context(), s, key) },
		"rollout shop/web: abort asked for, traffic returns to the stable revision",
		`web/status {"status":{"abort":true}}`, `web {"status":{"abort":true}}`)
	if !s.rollout(t).Status.Abort {
		t.Error("the abort did not arrive")
	}
}

func TestAMissingRolloutIsRefused(t *testing.T) {
	_, err := Abort(t.Context(), serve(t, withStatus), key)
	if want := "rollout shop/web: does not exist"; !IsRefused(err) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAForbiddenWriteNamesTheVerb(t *testing.T) {
	s := serve(t, withStatus, rollout(t, canary+`}`))
	s.before = func(client.Client, int) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "rollouts"}, "web", nil)
	}
	_, err := Abort(t.Context(), s, key)
	if err == nil || !strings.HasPrefix(err.Error(), "aborting rollout shop/web: ") || !apierrors.IsForbidden(err) {
		t.Errorf("got %v", err)
	}
}

func TestExperimentsAndAnalysisRuns(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "web"}
	run := &v1alpha1.AnalysisRun{ObjectMeta: meta}
	experiment := &v1alpha1.Experiment{ObjectMeta: meta, Status: v1alpha1.ExperimentStatus{Phase: v1alpha1.AnalysisPhaseFailed}}
	s := serve(t, withStatus, run, experiment)
	for _, do := range []call{
		func(s *server) (string, error) { return TerminateAnalysisRun(t.Context(), s, key) },
		func(s *server) (string, error) { return TerminateExperiment(t.Context(), s, key) },
		func(s *server) (string, error) { return RetryExperiment(t.Context(), s, key) },
	} {
		if _, err := do(s); err != nil {
			t.Error(err)
		}
	}
	want := []string{`web {"spec":{"terminate":true}}`, `web {"spec":{"terminate":true}}`, `web {"status":null}`}
	if diff := cmp.Diff(want, s.patches); diff != "" {
		t.Error(diff)
	}
	if err := s.Get(t.Context(), key, experiment); err != nil || experiment.Status.Phase != "" || !experiment.Spec.Terminate {
		t.Errorf("experiment is %+v, %v", experiment, err)
	}
}

func TestSetImage(t *testing.T) {
	const spec = `
  template:
    spec:
      futureField: kept
      initContainers: [{name: setup, image: "setup:1"}]
      containers: [{name: app, image: "app:1", futureField: kept}, {name: proxy, image: "proxy:1"}]`
	for name, c := range map[string]struct {
		images  map[string]string
		words   string
		patches []string
	}{
		"one container": {map[string]string{"proxy": "proxy:2"}, "rollout shop/web: set image of proxy to proxy:2", []string{
			`web [{"op":"test","path":"/spec/template/spec/containers/1/name","value":"proxy"},{"op":"add","path":"/spec/template/spec/containers/1/image","value":"proxy:2"}]`}},
		"every container": {map[string]string{"*": "app:2", "proxy": "proxy:1"}, "rollout shop/web: set image of app to app:2, setup to app:2", []string{
			`web [{"op":"test","path":"/spec/template/spec/containers/0/name","value":"app"},{"op":"add","path":"/spec/template/spec/containers/0/image","value":"app:2"},` +
				`{"op":"test","path":"/spec/template/spec/initContainers/0/name","value":"setup"},{"op":"add","path":"/spec/template/spec/initContainers/0/image","value":"app:2"}]`}},
		"an unknown container": {map[string]string{"web": "x"},
			"error: rollout shop/web: Rollout shop/web has no container web: there are app, proxy, setup", nil},
		"nothing to change": {map[string]string{"app": "app:1"}, "rollout shop/web: has these images already", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, withStatus, rollout(t, "spec:"+spec))
			check(t, s, func(s *server) (string, error) { return SetImage(t.Context(), s, key, c.images) }, c.words, c.patches...)
			if n := strings.Count(string(s.rollout(t).Spec.Template.Raw), "kept"); n != 2 {
				t.Errorf("%d of 2 unknown fields survived", n)
			}
		})
	}
	t.Run("a container that moved meanwhile is found again", func(t *testing.T) {
		s := serve(t, withStatus, rollout(t, "spec:"+spec))
		s.before = func(c client.Client, n int) error {
			if n > 1 {
				return nil
			}
			moved := s.rollout(t)
			moved.Spec.Template.Raw = []byte(`{"spec":{"containers":[{"name":"proxy","image":"proxy:1"},{"name":"app","image":"app:1"}]}}`)
			if err := c.Update(t.Context(), moved); err != nil {
				return err
			}
			return apierrors.NewInvalid(schema.GroupKind{Kind: "Rollout"}, "web", nil)
		}
		if _, err := SetImage(t.Context(), s, key, map[string]string{"app": "app:2"}); err != nil {
			t.Fatal(err)
		}
		if want := `{"spec":{"containers":[{"image":"proxy:1","name":"proxy"},{"image":"app:2","name":"app"}]}}`; string(s.rollout(t).Spec.Template.Raw) != want {
			t.Errorf("template is %s", s.rollout(t).Spec.Template.Raw)
		}
	})
	t.Run("the workload that the Rollout refers to holds the image", func(t *testing.T) {
		deployment := &appsv1.Deployment{}
		deployment.Namespace, deployment.Name = "shop", "web-workload"
		if err := yaml.Unmarshal([]byte("spec:"+spec), deployment); err != nil {
			t.Fatal(err)
		}
		s := serve(t, withStatus, deployment, rollout(t, `spec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web-workload}}`))
		if _, err := SetImage(t.Context(), s, key, map[string]string{"app": "app:2"}); err != nil {
			t.Fatal(err)
		}
		if err := s.Get(t.Context(), client.ObjectKeyFromObject(deployment), deployment); err != nil || deployment.Spec.Template.Spec.Containers[0].Image != "app:2" {
			t.Errorf("deployment is %+v, %v", deployment.Spec.Template.Spec, err)
		}
	})
	t.Run("a workload that is missing is named", func(t *testing.T) {
		s := serve(t, withStatus, rollout(t, `spec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: gone}}`))
		check(t, s, func(s *server) (string, error) {
			return SetImage(t.Context(), s, key, map[string]string{"app": "app:2"})
		},
			"error: rollout shop/web: spec.workloadRef names Deployment shop/gone, which does not exist")
	})
}
