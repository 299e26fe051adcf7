package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

var web = &v1alpha1.Rollout{
	ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "web-uid"},
	Spec:       v1alpha1.RolloutSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
}

// member is the metadata of an object of revision n, made n minutes after the first.
func member(name, hash, revision string, n int, owner types.UID) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: "shop", Name: name, UID: types.UID(name + "-uid"),
		Labels:            map[string]string{"app": "web", v1alpha1.LabelPodTemplateHash: hash},
		Annotations:       map[string]string{v1alpha1.AnnotationRevision: revision},
		CreationTimestamp: metav1.NewTime(time.Date(2026, 1, 1, 12, n, 0, 0, time.UTC)),
		OwnerReferences:   []metav1.OwnerReference{{UID: owner, Controller: new(true)}},
	}
}

func set(name, hash, revision string) appsv1.ReplicaSet {
	return appsv1.ReplicaSet{ObjectMeta: member(name, hash, revision, 0, web.UID)}
}

func run(name, hash, revision string, n int) v1alpha1.AnalysisRun {
	return v1alpha1.AnalysisRun{ObjectMeta: member(name, hash, revision, n, web.UID)}
}

func pod(name, hash string, n int, owner types.UID) corev1.Pod {
	return corev1.Pod{ObjectMeta: member(name, hash, "", n, owner)}
}

// outline is a family in words: one line a revision.
func outline(f Family) []string {
	var lines []string
	for _, v := range f.Revisions {
		var of []string
		if v.ReplicaSet != nil {
			of = append(of, v.ReplicaSet.Name)
		}
		for _, o := range v.Pods {
			of = append(of, o.Name)
		}
		for _, o := range v.Runs {
			of = append(of, o.Name)
		}
		for _, o := range v.Experiments {
			of = append(of, o.Experiment.Name)
			for _, group := range o.Groups {
				of = append(of, group.ReplicaSet.Name)
				for _, p := range group.Pods {
					of = append(of, p.Name)
				}
			}
			for _, run := range o.Runs {
				of = append(of, run.Name)
			}
		}
		lines = append(lines, fmt.Sprintf("%d %s: %s", v.Number, v.Hash, strings.Join(of, " ")))
	}
	return lines
}

func TestGroup(t *testing.T) {
	for name, c := range map[string]struct {
		all  Members
		want []string
	}{
		"nothing was made yet": {},
		"the newest revision stands first, its newest objects first": {
			all: Members{
				ReplicaSets: []appsv1.ReplicaSet{set("web-a", "a", "2"), set("web-b", "b", "10")},
				Pods:        []corev1.Pod{pod("old", "b", 1, "web-b-uid"), pod("new", "b", 2, "web-b-uid"), pod("other", "a", 1, "web-a-uid")},
				Runs:        []v1alpha1.AnalysisRun{run("r1", "b", "10", 1), run("r2", "b", "10", 2)},
				Experiments: []v1alpha1.Experiment{{ObjectMeta: member("x", "b", "10", 1, web.UID)}},
			},
			want: []string{"10 b: web-b new old r2 r1 x", "2 a: web-a other"},
		},
		"what another Rollout of the same name owns is left out": {
			all: Members{
				ReplicaSets: []appsv1.ReplicaSet{{ObjectMeta: member("web-a", "a", "1", 0, "former-uid")}},
				Pods:        []corev1.Pod{pod("p", "a", 1, "web-a-uid")},
				Runs:        []v1alpha1.AnalysisRun{{ObjectMeta: member("r", "a", "1", 0, "former-uid")}},
			},
		},
		"an Experiment has pods and runs of its own": {
			all: Members{
				ReplicaSets: []appsv1.ReplicaSet{set("web-b", "b", "10"), {ObjectMeta: member("x-new", "n", "", 1, "x-uid")}, {ObjectMeta: member("y-new", "n", "", 1, "y-uid")}},
				Pods:        []corev1.Pod{pod("p", "n", 1, "x-new-uid"), pod("q", "b", 1, "web-b-uid")},
				Runs:        []v1alpha1.AnalysisRun{{ObjectMeta: member("x-rate", "b", "", 1, "x-uid")}},
				Experiments: []v1alpha1.Experiment{{ObjectMeta: member("x", "b", "10", 1, web.UID)}},
			},
			want: []string{"10 b: web-b q x x-new p x-rate"},
		},
		"a return to an old template moves its runs along": {
			all: Members{
				ReplicaSets: []appsv1.ReplicaSet{set("web-a", "a", "3"), set("web-b", "b", "2")},
				Runs:        []v1alpha1.AnalysisRun{run("r", "a", "1", 1)},
			},
			want: []string{"3 a: web-a r", "2 b: web-b"},
		},
		"runs outlive their ReplicaSet": {
			all:  Members{Runs: []v1alpha1.AnalysisRun{run("r1", "a", "1", 1), run("r4", "a", "4", 2)}},
			want: []string{"4 a: r4 r1"},
		},
		"a revision that is no number comes last": {
			all:  Members{ReplicaSets: []appsv1.ReplicaSet{set("web-a", "a", "many"), set("web-b", "b", "1")}},
			want: []string{"1 b: web-b", "0 a: web-a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, outline(Group(web, c.all))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	rs, foreign, p, r := set("web-a", "a", "1"), set("web-b", "b", "2"), pod("p", "a", 1, "web-a-uid"), run("r", "a", "1", 1)
	foreign.Labels["app"] = "shop"
	world := func() *fake.ClientBuilder {
		return fake.NewClientBuilder().WithScheme(scheme).WithObjects(web.DeepCopy(), rs.DeepCopy(), foreign.DeepCopy(), p.DeepCopy(), r.DeepCopy())
	}
	refuse := func(kind string, err error) interceptor.Funcs {
		return interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			if strings.HasSuffix(fmt.Sprintf("%T", l), kind) {
				return err
			}
			return c.List(ctx, l, opts...)
		}}
	}
	key := client.ObjectKeyFromObject(web)

	t.Run("the whole family is read", func(t *testing.T) {
		f, err := Load(t.Context(), world().Build(), key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"1 a: web-a p r"}, outline(f)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a kind that is not installed counts as none", func(t *testing.T) {
		c := world().WithInterceptorFuncs(refuse("ExperimentList", &meta.NoKindMatchError{})).Build()
		if _, err := Load(t.Context(), c, key); err != nil {
			t.Error(err)
		}
	})
	t.Run("a refused list is an error that names the kind", func(t *testing.T) {
		c := world().WithInterceptorFuncs(refuse("PodList", errors.New("forbidden"))).Build()
		_, err := Load(t.Context(), c, key)
		if want := "listing the pods of rollout shop/web: forbidden"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
	t.Run("an unusable selector hides nothing", func(t *testing.T) {
		c, broken := world().Build(), &v1alpha1.Rollout{}
		if err := c.Get(t.Context(), key, broken); err != nil {
			t.Fatal(err)
		}
		broken.Spec.Selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Sometimes"}}
		if err := c.Update(t.Context(), broken); err != nil {
			t.Fatal(err)
		}
		f, err := Load(t.Context(), c, key)
		if err != nil || len(f.Revisions) != 2 {
			t.Errorf("got %v, %v", outline(f), err)
		}
	})
	t.Run("a missing Rollout is NotFound", func(t *testing.T) {
		_, err := Load(t.Context(), world().Build(), client.ObjectKey{Namespace: "shop", Name: "nobody"})
		if !apierrors.IsNotFound(err) {
			t.Errorf("got %v", err)
		}
	})
}
