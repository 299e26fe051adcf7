package applicationset

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// library answers as it is told.
type library struct {
	answer generate.Answer
	err    error
}

func (l *library) Answer(_ context.Context, _ *gitopsv1.ApplicationSet, questions []generate.Question, _ bool) (map[generate.Question]generate.Answer, error) {
	answers := map[generate.Question]generate.Answer{}
	for _, q := range questions {
		answers[q] = l.answer
	}
	return answers, l.err
}

type stage struct {
	*Controller
	t       *testing.T
	library *library
}

func newStage(t *testing.T, set *gitopsv1.ApplicationSet) *stage {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), gitopsv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	project := &gitopsv1.AppProject{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "default"}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(set, project).WithStatusSubresource(&gitopsv1.ApplicationSet{}).Build()
	answers := &library{}
	return &stage{&Controller{Client: c, Secrets: c, Library: answers, Events: record.NewFakeRecorder(100), Namespace: "argocd",
		clock: func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }}, t, answers}
}

func (s *stage) pass() ctrl.Result {
	s.t.Helper()
	next, err := s.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "argocd", Name: "set"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return next
}

func (s *stage) apps() (names []string) {
	s.t.Helper()
	var list gitopsv1.ApplicationList
	if err := s.Client.List(s.t.Context(), &list); err != nil {
		s.t.Fatal(err)
	}
	for _, app := range list.Items {
		names = append(names, app.Name)
	}
	slices.Sort(names)
	return names
}

func (s *stage) set() *gitopsv1.ApplicationSet {
	s.t.Helper()
	set := &gitopsv1.ApplicationSet{}
	if err := s.Client.Get(s.t.Context(), client.ObjectKey{Namespace: "argocd", Name: "set"}, set); err != nil {
		s.t.Fatal(err)
	}
	return set
}

func (s *stage) change(change func(*gitopsv1.ApplicationSet)) {
	s.t.Helper()
	set := s.set()
	change(set)
	if err := s.Client.Update(s.t.Context(), set); err != nil {
		s.t.Fatal(err)
	}
}

func list(names ...string) gitopsv1.Generator {
	g := gitopsv1.Generator{List: &gitopsv1.ListGenerator{}}
	for _, name := range names {
		g.List.Elements = append(g.List.Elements, apiextensionsv1.JSON{Raw: []byte(`{"name":"` + name + `"}`)})
	}
	return g
}

func aSet(generators ...gitopsv1.Generator) *gitopsv1.ApplicationSet {
	set := &gitopsv1.ApplicationSet{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "set", UID: "uid-of-the-set"}}
	set.Spec.Generators = generators
	set.Spec.GoTemplate = true
	set.Spec.Template.Metadata.Name = "{{.name}}"
	set.Spec.Template.Spec = gitopsv1.ApplicationSpec{
		Source:      &gitopsv1.Source{RepoURL: "https://git.example.com/org/repo.git", Path: "{{.name}}"},
		Destination: gitopsv1.Destination{Server: gitopsv1.InClusterServer, Namespace: "{{.name}}"},
	}
	return set
}

func TestApplicationsComeAndGoWithTheElements(t *testing.T) {
	s := newStage(t, aSet(list("one", "two")))
	s.pass()
	if got := s.apps(); !slices.Equal(got, []string{"one", "two"}) {
		t.Fatalf("applications %v, status %+v", got, s.set().Status)
	}
	s.change(func(set *gitopsv1.ApplicationSet) { set.Spec.Generators = []gitopsv1.Generator{list("two", "three")} })
	s.pass()
	s.pass()
	app := &gitopsv1.Application{}
	if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: "argocd", Name: "one"}, app); err != nil || app.DeletionTimestamp == nil {
		t.Errorf("one should be on its way out, held by the finalizer for its resources: %v", err)
	}
	if got := s.apps(); !slices.Equal(got, []string{"one", "three", "two"}) {
		t.Errorf("applications %v", got)
	}
}

func TestAGeneratorThatFailsDeletesNothing(t *testing.T) {
	s := newStage(t, aSet(list("one")))
	s.pass()
	s.change(func(set *gitopsv1.ApplicationSet) {
		set.Spec.Generators = []gitopsv1.Generator{{Git: &gitopsv1.GitGenerator{RepoURL: "https://git.example.com/org/repo.git",
			Directories: []gitopsv1.GitPath{{Path: "apps/*"}}}}}
	})
	s.library.err = errors.New("the repository cannot be reached")
	next := s.pass()
	if got := s.apps(); !slices.Equal(got, []string{"one"}) || next.RequeueAfter != 3*time.Minute {
		t.Fatalf("applications %v, again after %s", got, next.RequeueAfter)
	}
	i := slices.IndexFunc(s.set().Status.Conditions, func(c gitopsv1.ApplicationSetCondition) bool {
		return c.Type == gitopsv1.ConditionErrorOccurred && c.Status == metav1.ConditionTrue && c.Reason == gitopsv1.ReasonParamsError
	})
	if i < 0 {
		t.Errorf("conditions %+v", s.set().Status.Conditions)
	}
}

func TestASetAtRestWritesNothing(t *testing.T) {
	s := newStage(t, aSet(list("one")))
	s.pass()
	s.pass()
	before := s.set().ResourceVersion
	s.pass()
	if after := s.set().ResourceVersion; after != before {
		t.Errorf("the set was written: %s, then %s", before, after)
	}
}

func TestAMemoryOfTheSyncSurvivesAnUpdate(t *testing.T) {
	s := newStage(t, aSet(list("one")))
	s.pass()
	app := &gitopsv1.Application{}
	key := client.ObjectKey{Namespace: "argocd", Name: "one"}
	if err := s.Client.Get(t.Context(), key, app); err != nil {
		t.Fatal(err)
	}
	app.Annotations = map[string]string{"sluice-delivery.github.io/rollouts": "[]"}
	if err := s.Client.Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	s.change(func(set *gitopsv1.ApplicationSet) { set.Spec.Template.Spec.Source.Path = "elsewhere" })
	s.pass()
	if err := s.Client.Get(t.Context(), key, app); err != nil {
		t.Fatal(err)
	}
	if app.Spec.Source.Path != "elsewhere" || app.Annotations["sluice-delivery.github.io/rollouts"] == "" {
		t.Errorf("path %s, annotations %v", app.Spec.Source.Path, app.Annotations)
	}
}

func TestASetThatIsDeletedInReverseIsHeldUntilItsApplicationsAreGone(t *testing.T) {
	set := aSet(list("one", "two"))
	set.Spec.Template.Metadata.Labels = map[string]string{"name": "{{.name}}"}
	step := func(name string) gitopsv1.RollingSyncStep {
		return gitopsv1.RollingSyncStep{MatchExpressions: []gitopsv1.MatchExpression{{Key: "name", Operator: "In", Values: []string{name}}}}
	}
	set.Spec.Strategy = &gitopsv1.ApplicationSetStrategy{Type: gitopsv1.StrategyRollingSync, DeletionOrder: gitopsv1.DeletionOrderReverse,
		RollingSync: &gitopsv1.RollingSync{Steps: []gitopsv1.RollingSyncStep{step("one"), step("two")}}}
	s := newStage(t, set)
	s.pass()
	if got := s.apps(); len(got) > 0 {
		t.Fatalf("%v are there before the set is held", got)
	}
	s.pass()
	if err := s.Client.Delete(t.Context(), s.set()); err != nil {
		t.Fatal(err)
	}
	s.pass()
	for name, leaves := range map[string]bool{"one": false, "two": true} {
		app := &gitopsv1.Application{}
		if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: "argocd", Name: name}, app); err != nil || (app.DeletionTimestamp != nil) != leaves {
			t.Errorf("%s is being deleted: %t, error %v", name, app.DeletionTimestamp != nil, err)
		}
	}
}
