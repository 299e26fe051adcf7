package notification

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-delivery/sluice/notify"
)

// freshFor is how long a ConfigMap that was read is believed, so that a busy cluster asks for it rarely and one at rest never.
const freshFor = 10 * time.Second

// setup is what the ConfigMap and the Secret say.
type setup struct {
	config *notify.Config
	// absent explains why there is nothing set up; empty if there is.
	absent  string
	version string
	senders map[string]notify.Sender
	refused map[string]error
	// runs tells whether some text speaks of AnalysisRuns.
	runs bool
}

// settings keep what was read last.
type settings struct {
	mu   sync.Mutex // held while the API server is asked
	last atomic.Pointer[setup]
	at   time.Time
}

// setup gives what is set up, at most some seconds old.
func (o *Outbox) setup(ctx context.Context) (*setup, error) {
	s := &o.settings
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.last.Load()
	if last != nil && o.now().Sub(s.at) < freshFor {
		return last, nil
	}
	next, err := o.load(ctx, last)
	if err != nil {
		return nil, err
	}
	s.last.Store(next)
	s.at = o.now()
	return next, nil
}

func (o *Outbox) load(ctx context.Context, before *setup) (*setup, error) {
	if o.Namespace == "" {
		return nothing("the controller does not know its own namespace, where ConfigMap " + notify.ConfigMapName + " would be"), nil
	}
	key := types.NamespacedName{Namespace: o.Namespace, Name: notify.ConfigMapName}
	m := &corev1.ConfigMap{}
	err := o.Live.Get(ctx, key, m)
	switch {
	case apierrors.IsNotFound(err):
		return nothing("there is no ConfigMap " + key.String()), nil
	case apierrors.IsForbidden(err):
		return nothing("the controller may not read ConfigMap " + key.String() + ": apply config/rbac/notification_role.yaml"), nil
	case err != nil:
		return nil, fmt.Errorf("reading ConfigMap %s: %w", key, err)
	}
	secret, trouble, err := o.secret(ctx, m)
	if err != nil {
		return nil, err
	}
	version := m.ResourceVersion + "/" + secret.ResourceVersion + trouble
	if before != nil && before.version == version {
		return before, nil
	}
	return o.build(ctx, m, secret, version, trouble, before), nil
}

func nothing(why string) *setup { return &setup{config: notify.Parse(nil, nil), absent: why} }

// secret reads the Secret if some service refers to it; trouble tells why there is none.
func (o *Outbox) secret(ctx context.Context, m *corev1.ConfigMap) (secret *corev1.Secret, trouble string, err error) {
	secret = &corev1.Secret{}
	if !notify.NeedsSecret(m.Data) {
		return secret, "", nil
	}
	key := types.NamespacedName{Namespace: o.Namespace, Name: notify.SecretName}
	err = o.Live.Get(ctx, key, secret)
	switch {
	case apierrors.IsNotFound(err):
		return secret, "there is no Secret " + key.String(), nil
	case apierrors.IsForbidden(err):
		return secret, "the controller may not read Secret " + key.String() + ": apply config/rbac/optional_notification_secret.yaml", nil
	case err != nil:
		return nil, "", fmt.Errorf("reading Secret %s: %w", key, err)
	}
	return secret, "", nil
}

// build makes the senders, and keeps those whose options are as before: they may remember something, such as threads.
func (o *Outbox) build(ctx context.Context, m *corev1.ConfigMap, secret *corev1.Secret, version, trouble string, before *setup) *setup {
	s := &setup{config: notify.Parse(m.Data, secret.Data), version: version, senders: map[string]notify.Sender{}, refused: map[string]error{}}
	for name, service := range s.config.Services {
		if before != nil && before.senders[name] != nil && same(before.config.Services[name], service) {
			s.senders[name] = before.senders[name]
			continue
		}
		sender, err := o.Senders(service.Kind, service.Options)
		if err != nil {
			s.refused[name] = fmt.Errorf("service %s: %s", name, hidden(err, service.Secrets))
			continue
		}
		s.senders[name] = sender
	}
	for _, text := range m.Data {
		s.runs = s.runs || strings.Contains(text, "analysisRuns")
	}
	log := logf.FromContext(ctx).WithValues("configMap", o.Namespace+"/"+notify.ConfigMapName)
	if trouble != "" {
		log.Info(trouble)
		s.config.Problems["service.*"] = trouble
	}
	for key, why := range s.config.Problems {
		log.Info("A key cannot be used.", "key", key, "why", why)
	}
	for _, err := range s.refused {
		log.Info("A service cannot be used.", "why", err.Error())
	}
	return s
}

func same(a, b notify.Service) bool { return a.Kind == b.Kind && bytes.Equal(a.Options, b.Options) }

// known reports why a service cannot be used; nil if it can.
func (s *setup) known(service string) error {
	if s.senders[service] != nil {
		return nil
	}
	if err, refused := s.refused[service]; refused {
		return err
	}
	why := s.config.WhyNot(service)
	if trouble, ok := s.config.Problems["service.*"]; ok {
		why += " (" + trouble + ")"
	}
	return fmt.Errorf("%s", why)
}

// secrets lists what nobody may see of a service.
func (s *setup) secrets(service string) []string {
	return slices.Clone(s.config.Services[service].Secrets)
}

// laneOf names the lane of a service. Those that do not exist share one: anybody may write their names into an annotation.
func (o *Outbox) laneOf(service string) string {
	if last := o.settings.last.Load(); last == nil || last.senders[service] == nil {
		return ""
	}
	return service
}
