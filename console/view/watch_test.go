package view

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

var key = client.ObjectKey{Namespace: "shop", Name: "web"}

// server counts the watches that have begun. The fake server tells a watch nothing of what happened before it, as a real one would,
// so a test waits for the watches before it changes anything.
type server struct {
	client.WithWatch
	begun chan struct{}
}

// watched waits until n watches have begun.
func (s server) watched(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-s.begun:
		case <-time.After(20 * time.Second):
			t.Fatal("the watches do not begin")
		}
	}
}

// Watch counts.
func (s server) Watch(ctx context.Context, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
	w, err := s.WithWatch.Watch(ctx, list, opts...)
	if err == nil {
		s.begun <- struct{}{}
	}
	return w, err
}

// kindsOfFamily is how many watches a family takes.
const kindsOfFamily = 5

// serve returns a server that holds the scene of a paused canary and a Rollout of another team.
func serve(t *testing.T, funcs interceptor.Funcs) server {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	f := scene(t, "testdata/paused-canary.yaml")
	other := &v1alpha1.Rollout{}
	other.Namespace, other.Name = "pay", "api"
	b := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(funcs).WithObjects(f.Rollout, other).
		WithIndex(&v1alpha1.Rollout{}, "metadata.name", func(o client.Object) []string { return []string{o.GetName()} })
	for _, of := range f.Revisions {
		b.WithObjects(of.ReplicaSet)
		for i := range of.Pods {
			b.WithObjects(&of.Pods[i])
		}
		for i := range of.Runs {
			b.WithObjects(&of.Runs[i])
		}
	}
	return server{b.Build(), make(chan struct{}, 1000)}
}

var errSeen = errors.New("seen")

// until watches until a picture satisfies seen, and fails if none does.
func until(t *testing.T, c client.WithWatch, seen func(Rollout, error) bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	err := Watch(ctx, c, key, func(f kube.Family, trouble error) error {
		if seen(Of(f, noon), trouble) {
			return errSeen
		}
		return nil
	})
	if !errors.Is(err, errSeen) {
		t.Errorf("ended with %v", err)
	}
}

func TestWatchShowsTheFamilyAtOnceAndAfterEachChange(t *testing.T) {
	c := serve(t, interceptor.Funcs{})
	first := true
	until(t, c, func(v Rollout, _ error) bool {
		if first {
			first = false
			if len(v.Revisions) != 3 || v.Revisions[0].Runs[0].Status != "Running" {
				t.Errorf("the first picture is not whole: %+v", v.Revisions)
			}
			c.watched(t, kindsOfFamily)
			run := &v1alpha1.AnalysisRun{}
			run.Namespace, run.Name = "shop", "web-7d9f8b5c4d-3"
			if err := c.Patch(t.Context(), run, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"phase":"Failed"}}`))); err != nil {
				t.Error(err)
			}
			return false
		}
		return v.Revisions[0].Runs[0].Status == "Failed"
	})
}

func TestWatchDrawsABurstOfChangesFewTimes(t *testing.T) {
	c := serve(t, interceptor.Funcs{})
	drawn := 0
	until(t, c, func(v Rollout, _ error) bool {
		if drawn++; drawn == 1 {
			c.watched(t, kindsOfFamily)
			for i := range 100 {
				r := &v1alpha1.Rollout{}
				r.Namespace, r.Name = key.Namespace, key.Name
				body := fmt.Appendf(nil, `{"status":{"message":"%d"}}`, i)
				if err := c.Patch(t.Context(), r, client.RawPatch("application/merge-patch+json", body)); err != nil {
					t.Error(err)
				}
			}
		}
		return v.Message == "99"
	})
	if drawn > 10 {
		t.Errorf("100 changes were drawn %d times", drawn)
	}
}

func TestWatchEndsWhenTheRolloutIsGone(t *testing.T) {
	c := serve(t, interceptor.Funcs{})
	err := Watch(t.Context(), c, key, func(f kube.Family, _ error) error {
		c.watched(t, kindsOfFamily)
		return client.IgnoreNotFound(c.Delete(t.Context(), f.Rollout.DeepCopy()))
	})
	if !apierrors.IsNotFound(err) {
		t.Errorf("ended with %v", err)
	}
}

func TestWatchOfARolloutThatIsMissingEndsAtOnce(t *testing.T) {
	err := Watch(t.Context(), serve(t, interceptor.Funcs{}), client.ObjectKey{Namespace: "shop", Name: "nobody"}, nil)
	if !apierrors.IsNotFound(err) {
		t.Errorf("ended with %v", err)
	}
}

// failing makes requests for one kind of list fail until it is mended.
type failing struct {
	mu   sync.Mutex
	list string
	err  error
}

func (f *failing) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *failing) of(list client.ObjectList) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasSuffix(fmt.Sprintf("%T", list), f.list) {
		return f.err
	}
	return nil
}

func (f *failing) funcs() interceptor.Funcs {
	return interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			if err := f.of(l); err != nil {
				return err
			}
			return c.List(ctx, l, opts...)
		},
		Watch: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
			if err := f.of(l); err != nil {
				return nil, err
			}
			return c.Watch(ctx, l, opts...)
		},
	}
}

func TestWatchDoesNotWaitForWhatIsForbidden(t *testing.T) {
	f := &failing{list: "PodList", err: errors.New("forbidden")}
	err := Watch(t.Context(), serve(t, f.funcs()), key, func(kube.Family, error) error { return errSeen })
	if want := "listing pods: forbidden"; err == nil || err.Error() != want {
		t.Errorf("ended with %v, want %s", err, want)
	}
}

func TestWatchGoesOnWithoutAKindThatIsNotInstalled(t *testing.T) {
	f := &failing{list: "ExperimentList", err: &meta.NoKindMatchError{}}
	until(t, serve(t, f.funcs()), func(v Rollout, trouble error) bool { return len(v.Revisions) == 3 && trouble == nil })
}

func TestWatchTellsOfTroubleAndOfItsEnd(t *testing.T) {
	f := &failing{list: "AnalysisRunList"}
	var watches []watch.Interface
	funcs := f.funcs()
	plain := funcs.Watch
	var mu sync.Mutex
	funcs.Watch = func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
		w, err := plain(ctx, c, l, opts...)
		if _, ok := l.(*v1alpha1.AnalysisRunList); ok && err == nil {
			mu.Lock()
			watches = append(watches, w)
			mu.Unlock()
		}
		return w, err
	}
	broken, told := false, false
	until(t, serve(t, funcs), func(_ Rollout, trouble error) bool {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case !broken && len(watches) > 0:
			broken = true
			f.set(errors.New("connection lost"))
			watches[0].Stop()
		case trouble != nil:
			told = strings.HasSuffix(trouble.Error(), "analysisruns: connection lost")
			f.set(nil)
		}
		return told && trouble == nil
	})
}

func TestWatchAllFollowsEveryNamespace(t *testing.T) {
	c := serve(t, interceptor.Funcs{})
	var seen []string
	err := WatchAll(t.Context(), c, "", func(all []kube.Family, _ error) error {
		var names []string
		for _, f := range all {
			names = append(names, f.Rollout.Namespace+"/"+f.Rollout.Name)
		}
		if seen = append(seen, strings.Join(names, " ")); len(seen) > 1 {
			return errSeen
		}
		c.watched(t, 1)
		r := &v1alpha1.Rollout{}
		r.Namespace, r.Name = "pay", "api"
		return c.Delete(t.Context(), r)
	})
	if !errors.Is(err, errSeen) || seen[0] != "pay/api shop/web" || seen[1] != "shop/web" {
		t.Errorf("saw %q and ended with %v", seen, err)
	}
}

func TestLoadAllSortsByNamespaceAndName(t *testing.T) {
	all, err := LoadAll(t.Context(), serve(t, interceptor.Funcs{}), "")
	if err != nil || len(all) != 2 || all[0].Rollout.Name != "api" {
		t.Errorf("got %v, %v", all, err)
	}
}
