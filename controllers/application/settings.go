package application

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/health"
	"github.com/sluice-delivery/sluice/gitsync/settings"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// Settings knows what the ConfigMap argocd-cm of the control namespace says, and judges health by it. It reads the ConfigMap anew when that has
// changed, and tells once what in it cannot be followed. It is safe for concurrent use.
type Settings struct {
	// Reader reads ConfigMaps from a cache.
	Reader    client.Reader
	Namespace string
	// Events takes what cannot be followed.
	Events record.EventRecorder

	mu      sync.Mutex
	known   bool
	version string
	current settings.Settings
	checks  *health.Checks
}

// Load gives the settings as they are now.
func (s *Settings) Load(ctx context.Context) (gitsync.Settings, error) {
	m := &corev1.ConfigMap{}
	err := s.Reader.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: gitopsv1.ConfigMapSettings}, m)
	if err != nil && !apierrors.IsNotFound(err) {
		return gitsync.Settings{}, fmt.Errorf("reading the ConfigMap %s: %w", gitopsv1.ConfigMapSettings, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known && s.version == m.ResourceVersion {
		return s.current.Settings, nil
	}
	s.known, s.version, s.current = true, m.ResourceVersion, settings.Read(m.Data)
	s.checks = health.New(s.current.Health)
	for _, problem := range s.current.Problems {
		kube.Tell(ctx, s.Events, m, corev1.EventTypeWarning, "SettingNotFollowed", problem)
	}
	return s.current.Settings, nil
}

// Assess judges an object by the settings that were loaded last.
func (s *Settings) Assess(o *unstructured.Unstructured) gitsync.Health {
	s.mu.Lock()
	checks := s.checks
	if checks == nil {
		checks = health.New(health.Custom{})
		s.checks = checks
	}
	s.mu.Unlock()
	return checks.Assess(o, time.Now())
}
