package rollout

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/strategy"
)

func (c *Controller) observeExperiments(ctx context.Context, s *seen) error {
	var list v1alpha1.ExperimentList
	if err := c.Client.List(ctx, &list, owned(s.Rollout)...); err != nil {
		return err
	}
	s.Experiments = list.Items
	slices.SortFunc(s.Experiments, func(a, b v1alpha1.Experiment) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return nil
}

// observeTemplates reads the pod templates that an Experiment is to be made of. The cache keeps ReplicaSets without theirs, so they are read from
// the API server, once for each Experiment, which waits for one that cannot be read.
func (c *Controller) observeTemplates(ctx context.Context, s *seen) {
	for _, hash := range strategy.TemplatesNeeded(s.Rollout) {
		i := slices.IndexFunc(s.Revisions, func(v strategy.Revision) bool { return v.Hash == hash && !v.Deleting })
		if i < 0 {
			continue
		}
		template, err := c.readTemplate(ctx, types.NamespacedName{Namespace: s.Rollout.Namespace, Name: s.Revisions[i].Name})
		switch {
		case apierrors.IsNotFound(err): // the cache will show it
		case err != nil:
			s.without("reading the pod templates for an Experiment", err)
		default:
			s.Templates = append(s.Templates, strategy.Template{Hash: hash, Template: template})
		}
	}
}

func (c *Controller) readTemplate(ctx context.Context, key types.NamespacedName) (runtime.RawExtension, error) {
	set := &unstructured.Unstructured{}
	set.SetGroupVersionKind(replicaSetKind)
	if err := c.Live.Get(ctx, key, set); err != nil {
		return runtime.RawExtension{}, err
	}
	template, err := kube.BareTemplate(set)
	if err != nil {
		return runtime.RawExtension{}, err
	}
	raw, err := json.Marshal(template)
	if err != nil {
		return runtime.RawExtension{}, fmt.Errorf("writing the template of ReplicaSet %s as JSON: %w", key.Name, err)
	}
	return runtime.RawExtension{Raw: raw}, nil
}

func (c *Controller) applyExperiments(ctx context.Context, s *seen, plan *strategy.Plan, try kube.Try) {
	if start := plan.StartExperiment; start != nil {
		try("creating Experiment", start.Experiment.Name, func() error { return c.startExperiment(ctx, s, *start) })
	}
	for _, name := range plan.StopExperiments {
		try("ending Experiment", name, func() error {
			return c.changeExperiment(ctx, s, name, change{Spec: map[string]any{"terminate": true}})
		})
	}
	for _, name := range plan.ReleaseExperiments {
		try("letting go of Experiment", name, func() error {
			return c.changeExperiment(ctx, s, name, change{Annotations: map[string]*string{v1alpha1.AnnotationExperimentWeights: nil}})
		})
	}
	for _, name := range plan.ForgetExperiments {
		try("deleting Experiment", name, func() error {
			e, err := s.experiment(name)
			if err != nil {
				return err
			}
			return c.delete(ctx, e.DeepCopy())
		})
	}
}

func (c *Controller) startExperiment(ctx context.Context, s *seen, intent strategy.ExperimentIntent) error {
	return c.createOwned(ctx, s, intent.Experiment.DeepCopy(), &v1alpha1.Experiment{}, intent.Why)
}

func (c *Controller) changeExperiment(ctx context.Context, s *seen, name string, part change) error {
	e, err := s.experiment(name)
	if err != nil {
		return err
	}
	return client.IgnoreNotFound(c.patch(ctx, e.DeepCopy(), part))
}

func (s *seen) experiment(name string) (*v1alpha1.Experiment, error) {
	for i := range s.Experiments {
		if s.Experiments[i].Name == name {
			return &s.Experiments[i], nil
		}
	}
	return nil, fmt.Errorf("it was not observed")
}
