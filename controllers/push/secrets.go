package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/webhook"
)

// believed is how long the Secret of webhooks is not read again, so that deliveries cost the API server nothing.
const believed = 5 * time.Second

// errSecret is all that a sender is told when the Secret cannot be read.
var errSecret = errors.New("the Secret of webhooks cannot be read at present; send it again")

type secrets struct {
	mu   sync.Mutex
	at   time.Time
	data webhook.Secrets
	err  error
}

// secrets gives what deliveries are verified with. No Secret is the same as an empty one.
func (s *Server) secrets(ctx context.Context) (webhook.Secrets, error) {
	k := &s.known
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.at) < believed {
		return k.data, k.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), believed)
	defer cancel()
	var secret corev1.Secret
	err := s.Secrets.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: gitopsv1.SecretWebhooks}, &secret)
	k.at, k.data, k.err = time.Now(), webhook.Secrets{}, nil
	for key, value := range secret.Data {
		k.data[key] = bytes.TrimRight(value, "\r\n") // which a file ends with and nobody means
	}
	if client.IgnoreNotFound(err) != nil {
		k.data, k.err = nil, fmt.Errorf("%w: %w", errSecret, err)
	}
	return k.data, k.err
}
