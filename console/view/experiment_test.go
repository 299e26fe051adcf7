package view

import (
	"context"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// kindsOfExperiment is how many watches an Experiment takes.
const kindsOfExperiment = 4

func serveExperiment(t *testing.T) server {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	e := &v1alpha1.Experiment{}
	e.Namespace, e.Name, e.UID = "shop", "web", "uid"
	b := fake.NewClientBuilder().WithScheme(scheme).WithObjects(e).
		WithIndex(&v1alpha1.Experiment{}, "metadata.name", func(o client.Object) []string { return []string{o.GetName()} })
	return server{b.Build(), make(chan struct{}, 1000)}
}

func TestAnExperimentIsShownAtOnceAndAfterEachChangeUntilItIsGone(t *testing.T) {
	c := serveExperiment(t)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	seen := 0
	err := WatchExperiment(ctx, c, key, func(of kube.Trial, _ error) error {
		seen++
		e := &v1alpha1.Experiment{}
		e.Namespace, e.Name = "shop", "web"
		switch v := OfExperiment(of, noon); {
		case seen == 1:
			c.watched(t, kindsOfExperiment)
			if v.Status != "Pending" {
				t.Errorf("at first it is %s", v.Status)
			}
			return c.Patch(ctx, e, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"phase":"Running"}}`)))
		case v.Status == "Running":
			return c.Delete(ctx, e)
		}
		return nil
	})
	if !apierrors.IsNotFound(err) {
		t.Errorf("it ended with %v", err)
	}
}

func TestExperimentsAreListedAgainAfterAChange(t *testing.T) {
	c := serveExperiment(t)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	err := WatchExperiments(ctx, c, "", func(all []kube.Trial, _ error) error {
		if len(all) == 2 && all[0].Experiment.Name == "api" {
			return errSeen
		}
		if len(all) == 1 {
			c.watched(t, 1)
			e := &v1alpha1.Experiment{}
			e.Namespace, e.Name = "pay", "api"
			return c.Create(ctx, e)
		}
		return nil
	})
	if !errors.Is(err, errSeen) {
		t.Errorf("it ended with %v", err)
	}
}

func TestARolloutSaysWhichExperimentItWaitsFor(t *testing.T) {
	index := int32(0)
	r := &v1alpha1.Rollout{
		Spec: v1alpha1.RolloutSpec{Strategy: v1alpha1.RolloutStrategy{Canary: &v1alpha1.CanaryStrategy{Steps: []v1alpha1.CanaryStep{{Experiment: &v1alpha1.RolloutExperimentStep{}}}}}},
		Status: v1alpha1.RolloutStatus{
			StableRS: "a", CurrentPodHash: "b", CurrentStepIndex: &index, Canary: v1alpha1.CanaryStatus{CurrentExperiment: "web-b-2-0"},
		},
	}
	if v := Of(kube.Family{Rollout: r}, noon); v.Waiting != "the verdict of experiment web-b-2-0 is awaited" {
		t.Errorf("it says %q", v.Waiting)
	}
}
