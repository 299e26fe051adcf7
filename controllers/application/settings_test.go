package application

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

func newSettings(t *testing.T, data map[string]string) (*Settings, client.Client, *record.FakeRecorder) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: gitopsv1.ConfigMapSettings}, Data: data}
	events := record.NewFakeRecorder(100)
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(m).Build()
	return &Settings{Reader: c, Namespace: "argocd", Events: events}, c, events
}

func widget() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": "w"}, "status": map[string]any{"phase": "Odd"},
	}}
}

func load(t *testing.T, s *Settings) gitsync.Settings {
	t.Helper()
	got, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestHealthIsJudgedByTheSettingsAsTheyAreNow(t *testing.T) {
	s, c, events := newSettings(t, map[string]string{
		"resource.customizations.health.example.com_Widget": `return {status = "Degraded", message = obj.status.phase}`,
		"resource.exclusions":                               "- {kinds: [Endpoints]}",
		"resource.customizations.colour.example.com_Widget": "red",
	})
	if got := load(t, s); len(got.Exclusions) != 1 {
		t.Errorf("settings %+v", got)
	}
	if got := s.Assess(widget()); got.Status != gitsync.Degraded || got.Message != "Odd" {
		t.Errorf("health %+v", got)
	}
	load(t, s)
	if len(events.Events) != 1 {
		t.Errorf("%d events about one problem", len(events.Events))
	} else if told := <-events.Events; !strings.Contains(told, "SettingNotFollowed resource.customizations.colour.example.com_Widget: ") {
		t.Errorf("event %q", told)
	}
	m := &corev1.ConfigMap{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "argocd", Name: gitopsv1.ConfigMapSettings}, m); err != nil {
		t.Fatal(err)
	}
	m.Data = map[string]string{"sluice.health.example.com_Widget": `[{is: Suspended, when: 'status.phase == "Odd"'}]`}
	if err := c.Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := load(t, s); len(got.Exclusions) != 0 {
		t.Errorf("settings %+v", got)
	}
	if got := s.Assess(widget()); got.Status != gitsync.Suspended {
		t.Errorf("health %+v", got)
	}
	if err := c.Delete(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	load(t, s)
	if got := s.Assess(widget()); got.Status != "" {
		t.Errorf("health %+v without any settings", got)
	}
}

func TestAChangeOfTheSettingsLooksAtAllApplicationsAndNoOtherConfigMapDoes(t *testing.T) {
	c := newController(t, interceptor.Funcs{})
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: gitopsv1.ConfigMapSettings}}
	if got := c.ofSettings(t.Context(), settings); len(got) != 1 || got[0].NamespacedName != shop {
		t.Errorf("requests %v", got)
	}
	for _, other := range []metav1.ObjectMeta{{Namespace: "argocd", Name: "another"}, {Namespace: "shop", Name: gitopsv1.ConfigMapSettings}} {
		if got := c.ofSettings(t.Context(), &corev1.ConfigMap{ObjectMeta: other}); len(got) != 0 {
			t.Errorf("requests %v for %s/%s", got, other.Namespace, other.Name)
		}
	}
}

func TestWithoutTheSettingsNothingIsDone(t *testing.T) {
	c := newController(t, interceptor.Funcs{})
	c.Settings = func(context.Context) (gitsync.Settings, error) {
		return gitsync.Settings{}, errors.New("the cache is on fire")
	}
	_, err := c.Reconcile(t.Context(), ctrl.Request{NamespacedName: shop})
	if err == nil || !strings.Contains(err.Error(), "the cache is on fire") {
		t.Errorf("error %v", err)
	}
	if s := c.app(t).Status; s.Sync.Status != "" {
		t.Errorf("status %+v", s)
	}
}

func TestWhatAgreedUnderOtherRulesIsAskedAgain(t *testing.T) {
	m := &memory{agreed: map[gitsync.Key]agreement{{Name: "a"}: {}}}
	rules := []gitopsv1.IgnoreDifference{{Kind: "ConfigMap", JSONPointers: []string{"/data"}}}
	m.ruled(rules)
	if len(m.agreed) != 0 {
		t.Error("a rule came, and what agreed before is believed")
	}
	m.agreed[gitsync.Key{Name: "a"}] = agreement{}
	m.ruled(rules)
	if len(m.agreed) != 1 {
		t.Error("nothing changed, and what agreed is forgotten")
	}
}
