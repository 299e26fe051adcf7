package application

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func TestALookCountsFromWhenItWasFirstSeenToBeAskedFor(t *testing.T) {
	idle := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: shop.Namespace, Name: shop.Name}}
	asking := idle.DeepCopy()
	asking.Annotations = map[string]string{gitopsv1.AnnotationRefresh: gitopsv1.RefreshNormal}
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	var m memories
	m.saw(idle, nil, at(1))
	if got := m.since(shop); !got.IsZero() {
		t.Errorf("nobody asks, and it counts from %s", got)
	}
	m.saw(asking, idle, at(2))
	m.saw(asking, asking, at(3))
	if got := m.since(shop); !got.Equal(at(2)) {
		t.Errorf("it counts from %s", got)
	}
	m.saw(idle, asking, at(4))
	if got := m.since(shop); !got.IsZero() {
		t.Errorf("it was served, and counts from %s", got)
	}
	m.saw(asking, nil, at(5))
	if got := m.since(shop); !got.Equal(at(5)) {
		t.Errorf("it was asked for before we came, and counts from %s", got)
	}
}
