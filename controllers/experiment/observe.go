package experiment

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/validation"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/strategy/experiment"
)

// seen is an Observation and what apply must know besides in order to write on the condition that nothing changed since.
type seen struct {
	experiment.Observation

	sets     map[string]*appsv1.ReplicaSet
	services map[string]*corev1.Service
}

// observe gathers everything that a decision rests on. It only reads.
func (c *Controller) observe(ctx context.Context, e *v1alpha1.Experiment) (*seen, error) {
	s := &seen{Observation: experiment.Observation{Now: c.now(), Experiment: e}}
	if errs := validation.Experiment(e); len(errs) > 0 {
		s.Invalid = validation.ExperimentMessage(e.Name, errs)
	}
	for _, part := range []struct {
		doing string
		read  func(context.Context, *seen) error
	}{
		{"listing ReplicaSets", c.observeSets},
		{"reading Services", c.observeServices},
		{"listing AnalysisRuns", c.observeRuns},
		{"reading AnalysisTemplates", c.observeLibrary},
	} {
		if err := part.read(ctx, s); err != nil {
			return nil, fmt.Errorf("%s: %w", part.doing, err)
		}
	}
	return s, nil
}

func owned(e *v1alpha1.Experiment) []client.ListOption {
	return []client.ListOption{client.InNamespace(e.Namespace), client.MatchingFields{kube.OwnerField: string(e.UID)}}
}

func (c *Controller) observeSets(ctx context.Context, s *seen) error {
	var list appsv1.ReplicaSetList
	if err := c.Client.List(ctx, &list, owned(s.Experiment)...); err != nil {
		return err
	}
	s.sets = make(map[string]*appsv1.ReplicaSet, len(list.Items))
	slices.SortFunc(list.Items, func(a, b appsv1.ReplicaSet) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	for i := range list.Items {
		set := &list.Items[i]
		s.sets[set.Name] = set
		s.Sets = append(s.Sets, setOf(set))
	}
	return nil
}

// setOf reads a ReplicaSet. A deadline that cannot be read, because anybody may edit it, counts as none.
func setOf(set *appsv1.ReplicaSet) experiment.Set {
	v := experiment.Set{
		Template: set.Annotations[v1alpha1.AnnotationExperimentTemplateName], Name: set.Name, Hash: set.Labels[v1alpha1.LabelPodTemplateHash],
		Spec: ptr.Deref(set.Spec.Replicas, 1), Replicas: set.Status.Replicas, Deleting: set.DeletionTimestamp != nil,
	}
	// Pods beyond the size are about to be deleted, though the status still counts them.
	v.Ready, v.Available = min(set.Status.ReadyReplicas, v.Spec), min(set.Status.AvailableReplicas, v.Spec)
	if t, err := time.Parse(time.RFC3339, set.Annotations[v1alpha1.AnnotationScaleDownDeadline]); err == nil {
		v.Deadline = &t
	}
	for _, condition := range set.Status.Conditions {
		if condition.Type == appsv1.ReplicaSetReplicaFailure && condition.Status == corev1.ConditionTrue {
			v.Failure = condition.Message
		}
	}
	return v
}

func (c *Controller) observeServices(ctx context.Context, s *seen) error {
	s.services = map[string]*corev1.Service{}
	for i := range s.Experiment.Spec.Templates {
		name := v1alpha1.ExperimentServiceName(s.Experiment, &s.Experiment.Spec.Templates[i])
		if name == "" || s.services[name] != nil {
			continue
		}
		service := &corev1.Service{}
		err := c.Client.Get(ctx, types.NamespacedName{Namespace: s.Experiment.Namespace, Name: name}, service)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		s.services[name] = service
		s.Services = append(s.Services, experiment.Service{
			Name: name, Ours: metav1.IsControlledBy(service, s.Experiment) && service.DeletionTimestamp == nil,
			Hash: service.Spec.Selector[v1alpha1.LabelPodTemplateHash],
		})
	}
	return nil
}

func (c *Controller) observeRuns(ctx context.Context, s *seen) error {
	var list v1alpha1.AnalysisRunList
	if err := c.Client.List(ctx, &list, owned(s.Experiment)...); err != nil {
		return err
	}
	s.Runs = list.Items
	slices.SortFunc(s.Runs, func(a, b v1alpha1.AnalysisRun) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return nil
}

// observeLibrary reads the templates that the analyses name, while any of them may still have to begin.
func (c *Controller) observeLibrary(ctx context.Context, s *seen) (err error) {
	if s.Experiment.Status.Phase.Completed() {
		return nil
	}
	var refs []v1alpha1.AnalysisTemplateRef
	for _, a := range s.Experiment.Spec.Analyses {
		refs = append(refs, v1alpha1.AnalysisTemplateRef{TemplateName: a.TemplateName, ClusterScope: &a.ClusterScope})
	}
	s.Library, err = kube.Library(ctx, c.Client, s.Experiment.Namespace, refs)
	return err
}
