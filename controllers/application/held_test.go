package application

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/cluster"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
)

// crowded is a Source whose server others keep busy.
type crowded struct{ Source }

func (crowded) Resolve(context.Context, gitsync.Want) (string, error) {
	return "", &gitsync.UnreachableError{Cause: errors.New("others wait"), Again: 20 * time.Second}
}

func TestAnApplicationThatOnlyOthersHoldUpComesBackSoon(t *testing.T) {
	c := newController(t, interceptor.Funcs{})
	if err := errors.Join(corev1.AddToScheme(c.Client.Scheme()), c.makeDefaultProject(t.Context())); err != nil {
		t.Fatal(err)
	}
	server := &kubetest.Server{Now: time.Now}
	c.Source = crowded{}
	c.Clusters = &cluster.Set{Local: server.Config(), Secrets: c.Client, Namespace: "argocd", Changed: func(string, string) {}, Context: t.Context(), Once: &cluster.Once{}}
	if next := reconcileOnce(t, c); next.RequeueAfter != 20*time.Second {
		t.Errorf("the next look is in %s; the status is %+v", next.RequeueAfter, c.app(t).Status)
	}
	if s := c.app(t).Status; s.Sync.Status != gitopsv1.SyncUnknown {
		t.Errorf("status %+v", s)
	}
}
