package main

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// cacheOptions keep in memory only the objects that the loops serve, and of these only what the loops read.
// Nothing else is cached: a read of another kind fails instead of filling the memory with a whole cluster's worth of it.
func cacheOptions(o options) cache.Options {
	c := cache.Options{
		DefaultTransform:            slim,
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.Rollout{}:     {Label: served(o.instanceID)},
			&v1alpha1.AnalysisRun{}: {Label: served(o.instanceID)},
			&v1alpha1.Experiment{}:  {Label: served(o.instanceID)},
			&appsv1.ReplicaSet{}:    {Label: labels.NewSelector().Add(requirement(v1alpha1.LabelPodTemplateHash, selection.Exists)), Transform: slim},
			&corev1.Service{}:       {Transform: slim},
			&batchv1.Job{}:          {Label: labels.NewSelector().Add(requirement(v1alpha1.LabelAnalysisRunUID, selection.Exists))},
		},
	}
	c.DefaultNamespaces = namespacesOf(o)
	return c
}

func namespacesOf(o options) map[string]cache.Config {
	if len(o.namespaces) == 0 {
		return nil
	}
	configs := map[string]cache.Config{}
	for _, name := range o.namespaces {
		configs[name] = cache.Config{}
	}
	return configs
}

// workloadCache keeps what tells one state of a workload from another, of each kind that some Rollout refers to.
func workloadCache(mgr manager.Manager, o options) (cache.Cache, error) {
	workloads, err := cache.New(mgr.GetConfig(), cache.Options{
		Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient(), DefaultNamespaces: namespacesOf(o),
		DefaultTransform: func(o any) (any, error) {
			if object, ok := o.(metav1.Object); ok {
				object.SetManagedFields(nil)
				object.SetAnnotations(nil)
				object.SetLabels(nil)
				object.SetOwnerReferences(nil)
			}
			return o, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return workloads, mgr.Add(workloads)
}

// served selects the objects of one instance: those with its label, or without any where the instance has no name.
func served(instanceID string) labels.Selector {
	if instanceID == "" {
		return labels.NewSelector().Add(requirement(v1alpha1.LabelInstanceID, selection.DoesNotExist))
	}
	return labels.NewSelector().Add(requirement(v1alpha1.LabelInstanceID, selection.Equals, instanceID))
}

// requirement panics on a bad key or value, which are constants or were checked with the options.
func requirement(key string, is selection.Operator, values ...string) labels.Requirement {
	r, err := labels.NewRequirement(key, is, values)
	if err != nil {
		panic(err)
	}
	return *r
}

// slim drops what no loop reads before an object enters the cache.
func slim(o any) (any, error) {
	object, ok := o.(metav1.Object)
	if !ok {
		return o, nil // such as the note of a deletion that was missed
	}
	object.SetManagedFields(nil)
	delete(object.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
	switch kind := o.(type) {
	case *appsv1.ReplicaSet:
		kind.Spec.Template = corev1.PodTemplateSpec{}
	case *corev1.Service:
		kind.Spec = corev1.ServiceSpec{Selector: kind.Spec.Selector}
		kind.Status = corev1.ServiceStatus{}
		kind.Annotations = only(kind.Annotations, v1alpha1.AnnotationManagedByRollouts)
		kind.Labels = nil
	}
	return o, nil
}

func only(annotations map[string]string, key string) map[string]string {
	value, ok := annotations[key]
	if !ok {
		return nil
	}
	return map[string]string{key: value}
}
