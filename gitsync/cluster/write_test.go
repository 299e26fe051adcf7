package cluster

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
)

// writerTo gives a server in memory that knows a kind and what writes to it as the controller does.
func writerTo(t *testing.T, kind schema.GroupVersionKind) (*kubetest.Server, *Writer) {
	t.Helper()
	server := &kubetest.Server{Now: time.Now, Kinds: []kubetest.Kind{{GroupVersionKind: kind}}}
	c, err := open(t.Context(), gitsync.Cluster{}, server.Config(), func(string, string) {})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.As("")
	if err != nil {
		t.Fatal(err)
	}
	return server, w
}

func settingsOf(owner string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "shop", "name": "settings"}, "data": map[string]any{"owner": owner},
	}}
}

func TestAnObjectThatSomebodyMadeMeanwhileIsNotTakenUnseen(t *testing.T) {
	for name, replace := range map[string]bool{"by an apply": false, "by a replacement": true} {
		t.Run(name, func(t *testing.T) {
			server, w := writerTo(t, configMap)
			first, err := w.Apply(t.Context(), gitsync.Write{Object: settingsOf("a neighbour"), Replace: replace})
			if err != nil || first.Problem != "" || first.Message != "configmap/settings created" {
				t.Fatalf("making it gives %+v, %v", first, err)
			}
			if _, err := w.Apply(t.Context(), gitsync.Write{Object: settingsOf("us"), Replace: replace}); !apierrors.IsConflict(err) {
				t.Errorf("an object that was believed to be absent gives %v, not another look", err)
			}
			for _, o := range server.Objects() {
				if owner, _, _ := unstructured.NestedString(o.Object, "data", "owner"); owner != "a neighbour" {
					t.Errorf("the object is now of %s", owner)
				}
			}
		})
	}
}

func TestADryRunOfWhatIsMadeAnewIsNotInTheWayOfWhatLives(t *testing.T) {
	at := func(place string) error {
		return apierrors.NewInvalid(configMap.GroupKind(), "", field.ErrorList{field.Invalid(field.NewPath(place), "", "is wrong")})
	}
	forbidden := func(why string) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", errors.New(why))
	}
	for name, c := range map[string]struct {
		refusal error
		problem bool
	}{
		"it is well":                                     {nil, false},
		"its content can never be":                       {at("spec.template"), true},
		"a field is unknown":                             {apierrors.NewBadRequest(`strict decoding error: unknown field "dta"`), true},
		"its name means something, and it has another":   {at("metadata.name"), false},
		"a quota is used up by the one that lives still": {forbidden("exceeded quota: all, requested: configmaps=1, used: configmaps=1, limited: configmaps=1"), false},
		"the name that it gets is taken":                 {apierrors.NewAlreadyExists(schema.GroupResource{Resource: "configmaps"}, "settings-1"), false},
		"the account may not make it":                    {forbidden(`User "deployer" cannot create resource "configmaps"`), true},
		"admission denies it":                            {forbidden("violates PodSecurity"), true},
		"its name and its content are wrong": {apierrors.NewInvalid(configMap.GroupKind(), "", field.ErrorList{
			field.Invalid(field.NewPath("metadata.name"), "", "is wrong"), field.Invalid(field.NewPath("data"), "", "is wrong"),
		}), true},
	} {
		t.Run(name, func(t *testing.T) {
			server, w := writerTo(t, configMap)
			if _, err := w.Apply(t.Context(), gitsync.Write{Object: settingsOf("us")}); err != nil {
				t.Fatal(err)
			}
			server.Refuse = func(o *unstructured.Unstructured) error {
				if o.GetName() != "" || o.GetGenerateName() != "settings-" {
					t.Errorf("it is asked as name %q and generateName %q", o.GetName(), o.GetGenerateName())
				}
				return c.refusal
			}
			p, err := w.DryRun(t.Context(), gitsync.Write{Object: settingsOf("a hook"), Anew: true})
			if err != nil || p.Problem != "" != c.problem {
				t.Errorf("the answer is %q, %v", p.Problem, err)
			}
			if born := server.Born(); !slices.Equal(born, []string{"ConfigMap settings"}) {
				t.Errorf("made were %v", born)
			}
		})
	}
}

func TestOnlyAnObjectThatHasGoneItselfIsLookedForAgain(t *testing.T) {
	missing := func(group, resource, name string) error {
		return apierrors.NewNotFound(schema.GroupResource{Group: group, Resource: resource}, name)
	}
	for name, c := range map[string]struct {
		refusal error
		again   bool
	}{
		"the object":                   {missing("", "configmaps", "settings"), true},
		"its namespace":                {missing("", "namespaces", "shop"), true},
		"one of another name":          {missing("", "configmaps", "defaults"), false},
		"one of another kind":          {missing("", "secrets", "settings"), false},
		"one of another group":         {missing("example.com", "configmaps", "settings"), false},
		"what admission does not name": {&apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 404, Reason: metav1.StatusReasonNotFound, Message: "no team"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			server, w := writerTo(t, configMap)
			if _, err := w.Apply(t.Context(), gitsync.Write{Object: settingsOf("us")}); err != nil {
				t.Fatal(err)
			}
			write := gitsync.Write{Object: settingsOf("them"), Live: slices.Collect(maps.Values(server.Objects()))[0]}
			server.Refuse = func(*unstructured.Unstructured) error { return c.refusal }
			p, err := w.DryRun(t.Context(), write)
			if apierrors.IsConflict(err) != c.again || (p.Problem == "") != c.again {
				t.Errorf("trying it out gives %q, %v", p.Problem, err)
			}
			outcome, err := w.Apply(t.Context(), write)
			if apierrors.IsConflict(err) != c.again || (outcome.Problem == "") != c.again {
				t.Errorf("applying it gives %q, %v", outcome.Problem, err)
			}
		})
	}
}

func TestARefusalWithoutAWordIsNoSuccess(t *testing.T) {
	server, w := writerTo(t, configMap)
	server.Refuse = func(*unstructured.Unstructured) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden}}
	}
	write := gitsync.Write{Object: settingsOf("us")}
	if p, err := w.DryRun(t.Context(), write); err != nil || p.Problem == "" {
		t.Errorf("a dry run gives %+v, %v", p, err)
	}
	if o, err := w.Apply(t.Context(), write); err != nil || o.Problem == "" {
		t.Errorf("an apply gives %+v, %v", o, err)
	}
}
