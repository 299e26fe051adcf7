package credential

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Store finds Secrets.
type Store struct {
	// Live reads from the API server, not from a cache.
	Live client.Reader
	// Namespace is the controller's own, where the Secrets are that a metric does not bring along.
	Namespace string
}

// Own reads a Secret of the controller's own namespace.
func (s Store) Own(ctx context.Context, name string) (Keys, error) {
	if s.Namespace == "" {
		return Keys{}, errors.New("the controller does not know its own namespace, where secret " + name + " would be")
	}
	return s.In(ctx, s.Namespace, name)
}

// In reads a Secret of a namespace.
func (s Store) In(ctx context.Context, namespace, name string) (Keys, error) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	secret := &corev1.Secret{}
	err := s.Live.Get(ctx, key, secret)
	switch {
	case apierrors.IsNotFound(err):
		return Keys{}, fmt.Errorf("secret %s is not there: create it with the keys that the provider needs", key)
	case apierrors.IsForbidden(err):
		return Keys{}, fmt.Errorf("the controller may not read secret %s: grant its ServiceAccount the verb get on it, by name", key)
	case err != nil:
		return Keys{}, fmt.Errorf("reading secret %s: %w", key, err)
	}
	return Keys{name: key.String(), data: secret.Data}, nil
}

// Keys is what a Secret holds.
type Keys struct {
	name string
	data map[string][]byte
}

// Get gives a key without the blanks around it, such as the line break of a file; empty if it is not there.
func (k Keys) Get(key string) string { return strings.TrimSpace(string(k.data[key])) }

// Need gives a key that cannot be done without.
func (k Keys) Need(key string) (string, error) {
	if value := k.Get(key); value != "" {
		return value, nil
	}
	return "", fmt.Errorf("secret %s has no key %s", k.name, key)
}
