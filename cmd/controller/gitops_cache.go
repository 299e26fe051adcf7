package main

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// settingNames are the ConfigMaps of the control namespace that configure Git-sync.
var settingNames = []string{gitopsv1.ConfigMapSettings, gitopsv1.ConfigMapKnownHosts, gitopsv1.ConfigMapTLSCerts, gitopsv1.ConfigMapGPGKeys}

// gitopsCache keeps Applications and sets of the served namespaces, to which the control namespace always belongs, and of the control namespace
// the projects, the settings, and the Secrets whose label says that they are for Git-sync. Other Secrets are read only where an ApplicationSet names them.
func gitopsCache(o options) cache.Options {
	control := map[string]cache.Config{o.gitopsNamespace: {}}
	served := namespacesOf(o)
	if served != nil {
		served[o.gitopsNamespace] = cache.Config{}
	}
	meant := labels.NewSelector().Add(requirement(gitopsv1.LabelSecretType, selection.In,
		gitopsv1.SecretTypeCluster, gitopsv1.SecretTypeRepository, gitopsv1.SecretTypeRepoCreds, gitopsv1.SecretTypeRepositoryWrite, gitopsv1.SecretTypeRepoWriteCreds))
	return cache.Options{
		DefaultTransform:            slim,
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&gitopsv1.Application{}:    {Namespaces: served},
			&gitopsv1.ApplicationSet{}: {Namespaces: served},
			&gitopsv1.AppProject{}:     {Namespaces: control},
			&corev1.Secret{}:           {Namespaces: map[string]cache.Config{o.gitopsNamespace: {LabelSelector: meant}}},
			&corev1.ConfigMap{}:        {Namespaces: control, Transform: settingsOnly},
		},
	}
}

// settingsOnly keeps of other ConfigMaps nothing but the name.
func settingsOnly(o any) (any, error) {
	if m, ok := o.(*corev1.ConfigMap); ok && !slices.Contains(settingNames, m.Name) {
		m.Data, m.BinaryData, m.Labels, m.Annotations = nil, nil, nil, nil
	}
	return slim(o)
}
