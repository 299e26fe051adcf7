package source

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// KeysIn reads what is configured about repositories in the control namespace.
func KeysIn(reader client.Reader, namespace string) func(context.Context) (Keys, error) {
	return func(ctx context.Context) (Keys, error) {
		var keys Keys
		ofRepositories, err := labels.NewRequirement(gitopsv1.LabelSecretType, selection.In, []string{reading.entry, reading.template, writing.entry, writing.template})
		if err != nil {
			return keys, err
		}
		var secrets corev1.SecretList
		if err := reader.List(ctx, &secrets, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: labels.NewSelector().Add(*ofRepositories)}); err != nil {
			return keys, fmt.Errorf("listing the Secrets of repositories: %w", err)
		}
		// A cache lists in any order, and of two Secrets that fit alike it must be the same one each time.
		slices.SortFunc(secrets.Items, func(a, b corev1.Secret) int { return strings.Compare(a.Name, b.Name) })
		keys.Secrets = secrets.Items
		hosts, err := setting(ctx, reader, namespace, gitopsv1.ConfigMapKnownHosts)
		if err != nil {
			return keys, err
		}
		keys.KnownHosts = hosts[gitopsv1.ConfigMapKeyKnownHosts]
		if keys.Authorities, err = setting(ctx, reader, namespace, gitopsv1.ConfigMapTLSCerts); err != nil {
			return keys, err
		}
		keys.Signers, err = setting(ctx, reader, namespace, gitopsv1.ConfigMapGPGKeys)
		return keys, err
	}
}

// setting is the data of a ConfigMap; nil if there is none.
func setting(ctx context.Context, reader client.Reader, namespace, name string) (map[string]string, error) {
	var m corev1.ConfigMap
	err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &m)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading the ConfigMap %s: %w", name, err)
	}
	return m.Data, nil
}
