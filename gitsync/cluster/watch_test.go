package cluster

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/sluice-delivery/sluice/gitsync"
)

func TestAKindThatTheServerRefusesIsKnownSoonAndAloud(t *testing.T) {
	a := newAPI()
	a.answers["/api/v1"] = resources("v1", "ConfigMap", "Secret", "Gone")
	a.answers["/api/v1/gones"] = failure(metav1.StatusReasonNotFound, http.StatusNotFound)
	c := connect(t, a, nil)
	known := gitsync.Kind{Known: true, Namespaced: true}
	for kind, want := range map[string]gitsync.Kind{
		"Secret": {Known: true, Namespaced: true, Unread: "no right"},
		"Gone":   {Namespaced: true},
	} {
		gvk := schema.GroupVersionKind{Version: "v1", Kind: kind}
		got, err := c.Check(t.Context(), gvk, known)
		if err != nil || got.Known != want.Known || got.Namespaced != want.Namespaced || !strings.Contains(got.Unread, want.Unread) || (got.Unread == "") != (want.Unread == "") {
			t.Errorf("%s: %+v, %v", kind, got, err)
		}
	}
}

func TestWhatIsRefusedInSeveralNamespacesAtOnceIsRefusedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := racked()
		c.Use(t.Context(), "shop", []schema.GroupVersionKind{configMap})
		if err := c.watch(t.Context(), configMap); err != nil {
			t.Fatal(err)
		}
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(configMap)
		reflector := toolscache.NewReflectorWithOptions(nil, o, nil, toolscache.ReflectorOptions{})
		for _, step := range []struct {
			after    time.Duration
			believed bool
		}{{0, false}, {0, false}, {firstRest - 1, false}, {1, true}} {
			time.Sleep(step.after)
			c.lost(t.Context(), reflector, apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", nil))
			c.mu.Lock()
			err := c.watched[configMap].err
			c.mu.Unlock()
			if apierrors.IsForbidden(err) != step.believed {
				t.Fatalf("refused again after %s it gives %v", step.after, err)
			}
		}
	})
}

func TestWhatWasMadeAndDeletedAtOnceIsGone(t *testing.T) {
	_, w := writerTo(t, configMap)
	made := settingsOf("us")
	made.SetUID("first")
	key, recent := gitsync.KeyOf(made), &w.cluster.recent
	successor := made.DeepCopy()
	successor.SetUID("second")
	for name, test := range map[string]struct {
		written, gone *unstructured.Unstructured
		lives         bool
	}{
		"the same one":     {made, made, false},
		"its predecessor":  {successor, made, true},
		"nothing of yours": {made, settingsOf("somebody"), true},
	} {
		t.Run(name, func(t *testing.T) {
			recent.remember(test.written, time.Now())
			w.cluster.tellGone(toolscache.DeletedFinalStateUnknown{Obj: test.gone})
			if o, err := w.cluster.newest(t.Context(), configMap, key, nil); err != nil || (o != nil) != test.lives {
				t.Errorf("%v, %v", o, err)
			}
		})
	}
}

func TestWhatWasMadeAndIsNotShownIsAskedFor(t *testing.T) {
	server, w := writerTo(t, configMap)
	if outcome, err := w.Apply(t.Context(), gitsync.Write{Object: settingsOf("us")}); err != nil || outcome.Problem != "" {
		t.Fatalf("%+v, %v", outcome, err)
	}
	made := slices.Collect(maps.Values(server.Objects()))[0]
	c, key := w.cluster, gitsync.KeyOf(made)
	look := func(since time.Duration) bool {
		t.Helper()
		c.recent.remember(made, time.Now().Add(-since))
		o, err := c.newest(t.Context(), configMap, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		return o != nil
	}
	if !look(0) || !look(time.Minute) {
		t.Error("an object that the watch is late to show counts as gone")
	}
	if err := c.direct.Delete(t.Context(), made.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	if look(time.Minute) {
		t.Error("an object that is gone counts as there")
	}
}
