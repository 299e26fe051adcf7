package job

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	uid     = "0c2f8a54-6a8e-4a6e-9d0f-2f3f5d1b7a10"
	jobName = uid + ".load.1"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// world is an API server in memory and a provider.
type world struct {
	t      *testing.T
	server client.WithWatch
	jobs   *Provider
	at     time.Time
	run    *v1alpha1.AnalysisRun
	metric v1alpha1.Metric
	// refuse gives the answer to a call of the provider, such as "list", instead of success.
	refuse map[string]error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{batchv1.AddToScheme, corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, at: start, refuse: map[string]error{}}
	w.server = fake.NewClientBuilder().WithScheme(scheme).Build()
	faulty := interceptor.NewClient(w.server, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if err := w.refuse["get"]; err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if err := w.refuse["list"]; err != nil {
				return err
			}
			return c.List(ctx, list, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := w.refuse["create"]; err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
	})
	w.jobs = &Provider{Client: faulty, Live: faulty, Now: func() time.Time { return w.at }}
	w.run = &v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-6d4-2-1", UID: uid}}
	w.metric = v1alpha1.Metric{Name: "load", Provider: v1alpha1.MetricProvider{Job: &v1alpha1.JobMetric{
		Metadata: v1alpha1.JobMetadata{Labels: map[string]string{"team": "a"}, Annotations: map[string]string{"why": "b"}},
	}}}
	w.metric.Provider.Job.Spec.Raw = []byte(`{"activeDeadlineSeconds":9007199254740993,"unknownField":{"x":1},"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}`)
	return w
}

// begin takes a new measurement, which must be in flight then.
func (w *world) begin() *v1alpha1.Measurement {
	w.t.Helper()
	r, err := w.jobs.Measure(w.t.Context(), w.run, w.metric, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	m := analysis.Judge(analysis.Attempt{Metric: w.metric, Reading: r, Started: w.at, Finished: w.at})
	if m.Phase != v1alpha1.AnalysisPhaseRunning {
		w.t.Fatalf("the measurement is %s", m.Phase)
	}
	return &m
}

func (w *world) job(name string) *batchv1.Job {
	w.t.Helper()
	job := &batchv1.Job{}
	if err := w.server.Get(w.t.Context(), types.NamespacedName{Namespace: "shop", Name: name}, job); err != nil {
		w.t.Fatal(err)
	}
	return job
}

func (w *world) count() int {
	w.t.Helper()
	var jobs batchv1.JobList
	if err := w.server.List(w.t.Context(), &jobs); err != nil {
		w.t.Fatal(err)
	}
	return len(jobs.Items)
}

// finish gives the Job a condition.
func (w *world) finish(kind batchv1.JobConditionType, status corev1.ConditionStatus) {
	w.t.Helper()
	job := w.job(jobName)
	job.Status.Conditions = []batchv1.JobCondition{{Type: kind, Status: status, Message: "because"}}
	if err := w.server.Status().Update(w.t.Context(), job); err != nil {
		w.t.Fatal(err)
	}
}

func TestAJobIsMadeAsItWasWritten(t *testing.T) {
	w := newWorld(t)
	m := w.begin()
	if diff := cmp.Diff(map[string]string{"job-name": jobName, "job-namespace": "shop"}, m.Metadata); diff != "" {
		t.Errorf("the metadata of the measurement differ:\n%s", diff)
	}
	made, err := jobOf(w.run, w.metric)
	if err != nil {
		t.Fatal(err)
	}
	want := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job",
		"metadata": map[string]any{
			"name": jobName, "namespace": "shop",
			"labels": map[string]any{"team": "a", "analysisrun.argoproj.io/uid": uid},
			"annotations": map[string]any{
				"why": "b", "analysisrun.argoproj.io/name": "web-6d4-2-1", "analysisrun.argoproj.io/namespace": "shop", "analysisrun.argoproj.io/metric-name": "load",
			},
			"ownerReferences": []any{map[string]any{
				"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "name": "web-6d4-2-1", "uid": uid, "controller": true, "blockOwnerDeletion": true,
			}},
		},
		"spec": map[string]any{
			"activeDeadlineSeconds": int64(9007199254740993), "unknownField": map[string]any{"x": int64(1)},
			"template": map[string]any{"spec": map[string]any{"restartPolicy": "Never", "containers": []any{map[string]any{"name": "c", "image": "i"}}}},
		},
	}}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("the Job differs:\n%s", diff)
	}
}

func TestAJobIsNeverMadeTwice(t *testing.T) {
	w := newWorld(t)
	first := w.begin()
	second := w.begin() // as after a crash before the status was written
	if diff := cmp.Diff(first, second); diff != "" || w.count() != 1 {
		t.Errorf("%d Jobs:\n%s", w.count(), diff)
	}
}

func TestTheNextMeasurementHasAJobOfItsOwn(t *testing.T) {
	w := newWorld(t)
	w.begin()
	w.run.Status.MetricResults = []v1alpha1.MetricResult{{Name: "other", Count: 7}, {Name: "load", Count: 2, Error: 3}}
	if m := w.begin(); m.Metadata["job-name"] != uid+".load.6" {
		t.Errorf("the Job is %s", m.Metadata["job-name"])
	}
}

func TestTheEndOfAJobIsTheVerdict(t *testing.T) {
	for name, test := range map[string]struct {
		kind   batchv1.JobConditionType
		status corev1.ConditionStatus
		want   analysis.Reading
	}{
		"complete":      {batchv1.JobComplete, corev1.ConditionTrue, analysis.Reading{Phase: v1alpha1.AnalysisPhaseSuccessful}},
		"failed":        {batchv1.JobFailed, corev1.ConditionTrue, analysis.Reading{Phase: v1alpha1.AnalysisPhaseFailed, Message: "because"}},
		"not complete":  {batchv1.JobComplete, corev1.ConditionFalse, analysis.Reading{Phase: v1alpha1.AnalysisPhaseRunning, ResumeAfter: 20 * time.Second}},
		"about to fail": {batchv1.JobFailureTarget, corev1.ConditionTrue, analysis.Reading{Phase: v1alpha1.AnalysisPhaseRunning, ResumeAfter: 20 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := w.begin()
			w.at = start.Add(200 * time.Second) // of which the double has the root 20
			w.finish(test.kind, test.status)
			got, err := w.jobs.Measure(t.Context(), w.run, w.metric, m)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAJobThatWasDeletedIsAnError(t *testing.T) {
	w := newWorld(t)
	m := w.begin()
	if err := w.server.Delete(t.Context(), w.job(jobName)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.jobs.Measure(t.Context(), w.run, w.metric, m); err == nil || err.Error() != "job "+jobName+" was deleted before it ended" {
		t.Errorf("the error is %v", err)
	}
}

func TestAJobGoesOnWhileTheAPIServerIsAway(t *testing.T) {
	for _, call := range []string{"get", "list"} {
		w := newWorld(t)
		m := w.begin()
		w.at = start.Add(time.Hour)
		w.refuse[call] = apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("one verb is gone"))
		got, err := w.jobs.Measure(t.Context(), w.run, w.metric, m)
		if err != nil || got.Phase != v1alpha1.AnalysisPhaseRunning || !strings.Contains(got.Message, "one verb is gone") {
			t.Errorf("%s: %+v, %v", call, got, err)
		}
	}
}

func TestAJobThatCannotBeMadeIsAnError(t *testing.T) {
	w := newWorld(t)
	w.refuse["create"] = apierrors.NewForbidden(batchv1.Resource("jobs"), jobName, errors.New("exceeded quota"))
	_, err := w.jobs.Measure(t.Context(), w.run, w.metric, nil)
	if err == nil || !strings.Contains(err.Error(), "creating job "+jobName) || !strings.Contains(err.Error(), "exceeded quota") {
		t.Errorf("the error is %v", err)
	}
	w.metric.Provider.Job.Spec.Raw = []byte(`[]`)
	if _, err := w.jobs.Measure(t.Context(), w.run, w.metric, nil); err == nil || !strings.Contains(err.Error(), "metric load: reading provider.job.spec") {
		t.Errorf("the error is %v", err)
	}
}

func TestAPodThatNeverGetsItsImageIsInconclusive(t *testing.T) {
	waiting := func(name, reason string) []corev1.ContainerStatus {
		return []corev1.ContainerStatus{{Name: name, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}}
	}
	for name, test := range map[string]struct {
		status corev1.PodStatus
		after  time.Duration
		want   string
	}{
		"pulling fails":         {corev1.PodStatus{ContainerStatuses: waiting("c", "ImagePullBackOff")}, time.Minute, "container c cannot start: ImagePullBackOff"},
		"in an init container":  {corev1.PodStatus{InitContainerStatuses: waiting("i", "ErrImagePull")}, time.Minute, "container i cannot start: ErrImagePull"},
		"no image of that name": {corev1.PodStatus{ContainerStatuses: waiting("c", "InvalidImageName")}, time.Minute, "container c cannot start: InvalidImageName"},
		"only slow":             {corev1.PodStatus{ContainerStatuses: waiting("c", "ContainerCreating")}, time.Minute, ""},
		"failing once":          {corev1.PodStatus{ContainerStatuses: waiting("c", "ErrImagePull")}, 10 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := w.begin()
			job := w.job(jobName)
			job.CreationTimestamp = metav1.Time{Time: start}
			if err := w.server.Update(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "p", Labels: map[string]string{batchv1.JobNameLabel: jobName}}, Status: test.status}
			if err := w.server.Create(t.Context(), pod); err != nil {
				t.Fatal(err)
			}
			w.at = start.Add(test.after)
			got, err := w.jobs.Measure(t.Context(), w.run, w.metric, m)
			want := v1alpha1.AnalysisPhaseInconclusive
			if test.want == "" {
				want = v1alpha1.AnalysisPhaseRunning
			}
			if err != nil || got.Phase != want || got.Message != test.want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestAStoppedJobIsGone(t *testing.T) {
	w := newWorld(t)
	m := w.begin()
	for range 2 { // that it is gone already is no error
		if err := w.jobs.Stop(t.Context(), w.run, m); err != nil {
			t.Fatal(err)
		}
		if w.count() != 0 {
			t.Error("the Job is still there")
		}
	}
}

// Whoever can edit a run can write any name into its status.
func TestAForeignJobIsNeitherReadNorDeletedNorTakenOver(t *testing.T) {
	w := newWorld(t)
	for _, key := range []types.NamespacedName{{Namespace: "shop", Name: "backup"}, {Namespace: "kube-system", Name: "backup"}, {Namespace: "shop", Name: jobName}} {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		job.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
		if err := w.server.Create(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.jobs.Measure(t.Context(), w.run, w.metric, nil); !errors.Is(err, errForeign) {
		t.Errorf("a foreign Job was taken over: %v", err)
	}
	for _, inNamespace := range []string{"shop", "kube-system"} {
		m := &v1alpha1.Measurement{Phase: v1alpha1.AnalysisPhaseRunning, Metadata: map[string]string{"job-name": "backup", "job-namespace": inNamespace}}
		if got, err := w.jobs.Measure(t.Context(), w.run, w.metric, m); !errors.Is(err, errForeign) {
			t.Errorf("a foreign Job gave the verdict %+v, %v", got, err)
		}
		if err := w.jobs.Stop(t.Context(), w.run, m); !errors.Is(err, errForeign) {
			t.Errorf("a foreign Job was stopped: %v", err)
		}
	}
	if w.count() != 3 {
		t.Error("a foreign Job was deleted")
	}
}

func TestTheNameOfAJobIsValidAndItsOwn(t *testing.T) {
	run := &v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{UID: uid}}
	var names []string
	for _, metric := range []string{
		"load", "Load", "LOAD", "success rate", "success_rate", "über", "-", "", "a.b", "..", "-a-",
		"error-rate-of-checkout-in-us", "error-rate-of-checkout-in-eu", strings.Repeat("x", 300), "--------------------------------x",
	} {
		name := nameOf(run, metric)
		if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 || len(name) > maxName {
			t.Errorf("metric %q has a Job named %s: %v", metric, name, problems)
		}
		if slices.Contains(names, name) {
			t.Errorf("metric %q shares the Job %s", metric, name)
		}
		names = append(names, name)
	}
	run.Status.MetricResults = []v1alpha1.MetricResult{{Name: "m", Count: 2147483000}}
	if name := nameOf(run, "m"); name != uid+".m.2147483001" {
		t.Errorf("the name is %s", name)
	}
}
