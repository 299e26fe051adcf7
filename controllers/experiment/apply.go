package experiment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/strategy/experiment"
)

// errDeleting says that an object of an earlier owner still has the name that ours is to have.
var errDeleting = errors.New("the previous one of that name is still being deleted")

// apply writes a plan but for its status, from top to bottom.
func (c *Controller) apply(ctx context.Context, s *seen, plan *experiment.Plan) error {
	try, problems := kube.Attempts(ctx)
	for _, intent := range plan.Sets {
		if intent.Create {
			try("creating ReplicaSet", intent.Name, func() error { return c.createSet(ctx, s, plan, intent) })
			continue
		}
		try("changing ReplicaSet", intent.Name, func() error { return c.changeSet(ctx, s, intent) })
	}
	for _, intent := range plan.Serve {
		try("putting up Service", intent.Name, func() error { return c.serve(ctx, s, plan, intent) })
	}
	for _, start := range plan.Start {
		try("starting AnalysisRun", start.Run.Name, func() error { return c.start(ctx, s, start) })
	}
	for _, name := range plan.Stop {
		try("stopping AnalysisRun", name, func() error { return c.stop(ctx, s, name) })
	}
	for _, name := range plan.Close {
		try("deleting Service", name, func() error { return c.closeService(ctx, s, name) })
	}
	return problems()
}

func (c *Controller) tell(ctx context.Context, s *seen, note strategy.Note) {
	kube.Tell(ctx, c.Events, s.Experiment, note.Type, note.Reason, note.Message)
}

// createSet makes a ReplicaSet with its pods, or finds out why it cannot be made. What the API server calls invalid fails the template for good.
func (c *Controller) createSet(ctx context.Context, s *seen, plan *experiment.Plan, intent experiment.SetIntent) error {
	set, err := newReplicaSet(s.Experiment, intent)
	if err != nil {
		return err
	}
	err = c.Client.Create(ctx, set)
	switch {
	case err == nil:
		c.tell(ctx, s, *intent.Why)
		return nil
	case apierrors.IsAlreadyExists(err):
		existing := &appsv1.ReplicaSet{}
		return c.taken(ctx, s, plan, intent.Template, "ReplicaSet", intent.Name, existing)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		plan.Fail(intent.Template, fmt.Sprintf("ReplicaSet %s cannot be made: %v", intent.Name, err))
		return nil
	}
	plan.Excuse(intent.Template, fmt.Sprintf("ReplicaSet %s could not be made yet: %v", intent.Name, err))
	return err
}

// taken decides what to do about a name that is in use: if it is our own object that the cache did not show yet, that is as good as having made
// it; one on its way out is waited for.
func (c *Controller) taken(ctx context.Context, s *seen, plan *experiment.Plan, template, kind, name string, existing client.Object) error {
	key := types.NamespacedName{Namespace: s.Experiment.Namespace, Name: name}
	if err := c.Live.Get(ctx, key, existing); err != nil {
		return client.IgnoreNotFound(err)
	}
	switch {
	case existing.GetDeletionTimestamp() != nil:
		return errDeleting
	case metav1.IsControlledBy(existing, s.Experiment):
		return nil
	}
	plan.Excuse(template, fmt.Sprintf("%s %s exists and does not belong to this Experiment; rename or delete it", kind, name))
	return fmt.Errorf("there is one of that name that does not belong to this Experiment: rename or delete it")
}

func (c *Controller) changeSet(ctx context.Context, s *seen, intent experiment.SetIntent) error {
	set, ok := s.sets[intent.Name]
	if !ok {
		return errors.New("it was not observed")
	}
	annotations, spec := map[string]any{}, map[string]any{}
	if intent.Deadline != nil {
		annotations[v1alpha1.AnnotationScaleDownDeadline] = *intent.Deadline
		if *intent.Deadline == "" {
			annotations[v1alpha1.AnnotationScaleDownDeadline] = nil
		}
	}
	if intent.Replicas != nil {
		spec["replicas"] = *intent.Replicas
	}
	if err := c.patch(ctx, set.DeepCopy(), annotations, spec); err != nil {
		return client.IgnoreNotFound(err)
	}
	if intent.Why != nil {
		c.tell(ctx, s, *intent.Why)
	}
	return nil
}

// serve makes the Service of a template, or lets it select the pods that it should.
func (c *Controller) serve(ctx context.Context, s *seen, plan *experiment.Plan, intent experiment.ServiceIntent) error {
	if !intent.Create {
		selector := map[string]any{v1alpha1.LabelPodTemplateHash: intent.Hash}
		return c.patch(ctx, s.services[intent.Name].DeepCopy(), nil, map[string]any{"selector": selector})
	}
	like, err := c.portsOf(ctx, s)
	if err != nil {
		plan.Excuse(intent.Template, fmt.Sprintf("Service %s could not be made yet: %v", intent.Name, err))
		return err
	}
	service, err := newService(s.Experiment, intent, like)
	if err != nil {
		return err
	}
	err = c.Client.Create(ctx, service)
	switch {
	case err == nil:
		c.tell(ctx, s, intent.Why)
		return nil
	case apierrors.IsAlreadyExists(err):
		return c.taken(ctx, s, plan, intent.Template, "Service", intent.Name, &corev1.Service{})
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		plan.Fail(intent.Template, fmt.Sprintf("Service %s cannot be made: %v", intent.Name, err))
		return nil
	}
	return err
}

// portsOf reads the Service whose ports ours are to have; nil if the containers say them. The cache keeps no ports, so it is read from the
// API server, once for each Service that is made.
func (c *Controller) portsOf(ctx context.Context, s *seen) (*corev1.Service, error) {
	name := s.Experiment.Annotations[v1alpha1.AnnotationExperimentPortsOf]
	if name == "" {
		return nil, nil
	}
	like := &corev1.Service{}
	if err := c.Live.Get(ctx, types.NamespacedName{Namespace: s.Experiment.Namespace, Name: name}, like); err != nil {
		return nil, fmt.Errorf("reading the ports of Service %s: %w", name, err)
	}
	return like, nil
}

func (c *Controller) start(ctx context.Context, s *seen, intent experiment.RunIntent) error {
	run := intent.Run.DeepCopy()
	err := c.Client.Create(ctx, run)
	if apierrors.IsAlreadyExists(err) {
		existing := &v1alpha1.AnalysisRun{}
		if err := c.Live.Get(ctx, client.ObjectKeyFromObject(run), existing); err != nil {
			return client.IgnoreNotFound(err)
		}
		switch {
		case existing.DeletionTimestamp != nil:
			return errDeleting
		case metav1.IsControlledBy(existing, s.Experiment):
			return nil // ours, from a pass whose end was lost; the cache will show it
		}
		return errors.New("there is one of that name that does not belong to this Experiment: rename or delete it")
	}
	if err != nil {
		return err
	}
	c.tell(ctx, s, intent.Why)
	return nil
}

func (c *Controller) stop(ctx context.Context, s *seen, name string) error {
	for i := range s.Runs {
		if s.Runs[i].Name == name {
			return client.IgnoreNotFound(c.patch(ctx, s.Runs[i].DeepCopy(), nil, map[string]any{"terminate": true}))
		}
	}
	return errors.New("it was not observed")
}

// closeService removes exactly the Service that was observed, not a changed one and not another of the same name.
func (c *Controller) closeService(ctx context.Context, s *seen, name string) error {
	service, ok := s.services[name]
	if !ok {
		return errors.New("it was not observed")
	}
	return client.IgnoreNotFound(c.Client.Delete(ctx, service.DeepCopy(), client.Preconditions{
		UID: ptr.To(service.UID), ResourceVersion: ptr.To(service.ResourceVersion),
	}))
}

// patch makes one merge patch on the condition that the object is still as it was observed.
func (c *Controller) patch(ctx context.Context, o client.Object, annotations, spec map[string]any) error {
	metadata := map[string]any{"resourceVersion": o.GetResourceVersion()}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	body := map[string]any{"metadata": metadata}
	if len(spec) > 0 {
		body["spec"] = spec
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.Client.Patch(ctx, o, client.RawPatch(types.MergePatchType, data))
}
