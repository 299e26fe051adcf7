package application

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/cluster"
)

// memory is what a pass may forget without harm: it only saves work.
type memory struct {
	// agreed holds, for objects that a dry run found to be what an apply would make of them, the digests of the manifest and of what lives.
	agreed map[gitsync.Key]agreement
	// ignored are the rules on differences under which they agreed.
	ignored []gitopsv1.IgnoreDifference
	// unreachable is since when a repository or the destination could not be asked; zero if all could.
	unreachable time.Time
	// wished is when a sync by hand was first seen that has not begun; zero if there is none.
	wished time.Time
	// asked is when somebody was seen to ask for a look at the repository; zero if nobody does.
	asked time.Time
	// neighbours are what else was in the destination namespace at neighboursAt; nil if nobody asks.
	neighbours   *gitsync.Neighbours
	neighboursAt time.Time
	// reverts are what came of reverts, the latest first. A restart asks the branch again.
	reverts []gitsync.Reverted
	// cluster is the destination whose kinds the Application uses.
	cluster *cluster.Cluster
}

type agreement struct{ manifest, live string }

// ruled forgets what agreed under other rules on differences.
func (m *memory) ruled(by []gitopsv1.IgnoreDifference) {
	if !equality.Semantic.DeepEqual(m.ignored, by) {
		m.ignored, m.agreed = by, map[gitsync.Key]agreement{}
	}
}

// wish is from when on an answer of a repository is fresh enough for a sync by hand that begins; zero if none does. While one cannot begin, the
// repository is asked again from time to time.
func (m *memory) wish(begins bool, now time.Time) time.Time {
	switch {
	case !begins:
		m.wished = time.Time{}
	case m.wished.IsZero():
		m.wished = now
	default:
		return latest(m.wished, now.Add(-gitsync.AskAgain))
	}
	return m.wished
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// saw notes when it was first seen that somebody asks for a look, so that one question to a repository serves all who asked before it.
func (m *memories) saw(app client.Object, before client.Object, now time.Time) {
	_, asks := app.GetAnnotations()[gitopsv1.AnnotationRefresh]
	if before != nil {
		if _, asked := before.GetAnnotations()[gitopsv1.AnnotationRefresh]; asked == asks {
			return
		}
	}
	one := m.of(client.ObjectKeyFromObject(app))
	m.mu.Lock()
	defer m.mu.Unlock()
	one.asked = time.Time{}
	if asks {
		one.asked = now
	}
}

// since is when somebody was seen to ask for a look at the repository of an Application; zero if that is not known.
func (m *memories) since(key types.NamespacedName) time.Time {
	one := m.of(key)
	m.mu.Lock()
	defer m.mu.Unlock()
	return one.asked
}

type memories struct {
	mu  sync.Mutex
	all map[types.NamespacedName]*memory
}

func (m *memories) of(key types.NamespacedName) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[types.NamespacedName]*memory{}
	}
	if m.all[key] == nil {
		m.all[key] = &memory{agreed: map[gitsync.Key]agreement{}}
	}
	return m.all[key]
}

// forget drops what is known of an Application and gives the destination that it used; nil if none.
func (m *memories) forget(key types.NamespacedName) *cluster.Cluster {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.all[key]
	delete(m.all, key)
	if known == nil {
		return nil
	}
	return known.cluster
}
