package application

import (
	"context"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/cluster"
)

// still has only a destination that must be left alone.
type still struct{}

func (still) Find(context.Context, gitopsv1.Destination, *gitopsv1.AppProject) (*cluster.Cluster, gitsync.Cluster, error) {
	return nil, gitsync.Cluster{}, cluster.ErrFrozen
}

func TestTheApplicationsOfAFrozenClusterAreLeftAlone(t *testing.T) {
	c := newController(t, interceptor.Funcs{})
	c.Clusters = still{}
	before := c.app(t).ResourceVersion
	if next := reconcileOnce(t, c); next.RequeueAfter != 0 || c.app(t).ResourceVersion != before {
		t.Errorf("the next look is in %s, and the Application %+v", next.RequeueAfter, c.app(t).Status)
	}
}
