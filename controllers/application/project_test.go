package application

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func TestAProjectWithTheFinalizerGoesOnceNoApplicationUsesIt(t *testing.T) {
	c := newController(t, interceptor.Funcs{})
	key := client.ObjectKey{Namespace: "argocd", Name: gitopsv1.DefaultProject}
	project := &gitopsv1.AppProject{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Finalizers: []string{gitopsv1.FinalizerResources}}}
	if err := c.Client.Create(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	pass := func() error {
		t.Helper()
		if _, err := c.releaseProject(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
			t.Fatal(err)
		}
		return c.Client.Get(t.Context(), key, &gitopsv1.AppProject{})
	}
	other := c.app(t)
	other.Spec.Project = "other"
	if err := c.Client.Update(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := pass(); err != nil {
		t.Errorf("a project that nobody deletes: %v", err)
	}
	user := c.app(t)
	user.Spec.Project = ""
	if err := c.Client.Update(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	if err := c.Client.Delete(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	if err := pass(); err != nil {
		t.Errorf("a project that an Application uses: %v", err)
	}
	user.Spec.Project = "other"
	if err := c.Client.Update(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	if err := pass(); !apierrors.IsNotFound(err) {
		t.Errorf("a project that nobody uses is still there: %v", err)
	}
	if err := pass(); !apierrors.IsNotFound(err) {
		t.Errorf("a project that is gone: %v", err)
	}
}
