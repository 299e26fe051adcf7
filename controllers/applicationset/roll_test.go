package applicationset

import (
	"context"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// rollingSet has two steps, of one Application each.
func rollingSet() *gitopsv1.ApplicationSet {
	set := aSet(list("one", "two"))
	set.Spec.Template.Metadata.Labels = map[string]string{"name": "{{.name}}"}
	step := func(name string) gitopsv1.RollingSyncStep {
		return gitopsv1.RollingSyncStep{MatchExpressions: []gitopsv1.MatchExpression{{Key: "name", Operator: "In", Values: []string{name}}}}
	}
	set.Spec.Strategy = &gitopsv1.ApplicationSetStrategy{Type: gitopsv1.StrategyRollingSync, RollingSync: &gitopsv1.RollingSync{Steps: []gitopsv1.RollingSyncStep{step("one"), step("two")}}}
	return set
}

// compared lets an Application have seen a commit that it does not run.
func (s *stage) compared(name string) {
	s.t.Helper()
	app := s.app(name)
	app.Status.Sync = gitopsv1.SyncStatus{Status: gitopsv1.SyncOutOfSync, Revision: "r1", ComparedTo: gitopsv1.ComparedTo{Source: *app.Spec.Source, Destination: app.Spec.Destination}}
	app.Status.ReconciledAt = &metav1.Time{Time: s.clock()}
	if err := s.Client.Update(s.t.Context(), app); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) app(name string) *gitopsv1.Application {
	s.t.Helper()
	app := &gitopsv1.Application{}
	if err := s.Client.Get(s.t.Context(), client.ObjectKey{Namespace: "argocd", Name: name}, app); err != nil {
		s.t.Fatal(err)
	}
	return app
}

func TestASyncStartsInThePassThatChangesALabel(t *testing.T) {
	s := newStage(t, rollingSet())
	s.pass()
	s.compared("one")
	s.change(func(set *gitopsv1.ApplicationSet) { set.Spec.Template.Metadata.Labels["team"] = "shop" })
	s.pass()
	app := s.app("one")
	if app.Labels["team"] != "shop" || app.Operation == nil {
		t.Errorf("labels %v, operation %v, conditions %+v", app.Labels, app.Operation, s.set().Status.Conditions)
	}
}

func TestAConflictIsTriedAgainSoonAndToldToNobody(t *testing.T) {
	s := newStage(t, rollingSet())
	s.pass()
	s.pass()
	before := s.set()
	underlying, _ := s.Client.(client.WithWatch)
	s.Client = interceptor.NewClient(underlying, interceptor.Funcs{Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error {
		return apierrors.NewConflict(schema.GroupResource{Resource: "applications"}, "one", nil)
	}})
	set := before.DeepCopy()
	set.Spec.Template.Spec.Source.Path = "elsewhere"
	if err := underlying.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	next := s.pass()
	if next.RequeueAfter <= 0 || next.RequeueAfter > time.Second {
		t.Errorf("the next pass is in %s", next.RequeueAfter)
	}
	if slices.ContainsFunc(s.set().Status.Conditions, func(c gitopsv1.ApplicationSetCondition) bool {
		return c.Type == gitopsv1.ConditionErrorOccurred && c.Status == metav1.ConditionTrue
	}) {
		t.Errorf("conditions %+v", s.set().Status.Conditions)
	}
}
