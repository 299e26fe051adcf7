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

// unreachable is a Source that cannot be asked, and when it is worth to come back.
type unreachable struct {
	Source
	again time.Duration
}

func (u unreachable) Resolve(context.Context, gitsync.Want) (string, error) {
	return "", &gitsync.UnreachableError{Cause: errors.New("others wait, or it is down"), Again: u.again}
}

func TestAnApplicationThatOnlyOthersHoldUpComesBackSoon(t *testing.T) {
	if next := lookAt(t, unreachable{again: 20 * time.Second}, nil); next != 20*time.Second {
		t.Errorf("the next look is in %s", next)
	}
}

func TestARepositoryThatCannotBeAskedIsAskedAgainEvenIfNoneIsPolled(t *testing.T) {
	if next := lookAt(t, unreachable{}, &gitsync.Interval{}); next != time.Minute {
		t.Errorf("the next look is in %s", next)
	}
}

// lookAt gives when an Application of a source is looked at again.
func lookAt(t *testing.T, source Source, interval *gitsync.Interval) time.Duration {
	t.Helper()
	c := newController(t, interceptor.Funcs{})
	if err := errors.Join(corev1.AddToScheme(c.Client.Scheme()), c.makeDefaultProject(t.Context())); err != nil {
		t.Fatal(err)
	}
	server := &kubetest.Server{Now: time.Now}
	c.Source = source
	c.Settings = func(context.Context) (gitsync.Settings, error) { return gitsync.Settings{Poll: interval}, nil }
	c.Clusters = &cluster.Set{Local: server.Config(), Secrets: c.Client, Namespace: "argocd", Changed: func(string, string) {}, Context: t.Context(), Once: &cluster.Once{}}
	next := reconcileOnce(t, c)
	if s := c.app(t).Status; s.Sync.Status != gitopsv1.SyncUnknown {
		t.Errorf("status %+v", s)
	}
	return next.RequeueAfter
}
