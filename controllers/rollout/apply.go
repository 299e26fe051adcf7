package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/strategy"
)

// errRejected says that the API server calls the pod template invalid: the spec is wrong, and a repetition would not help.
var errRejected = errors.New("the pod template was rejected")

// apply writes a plan but for its status, from top to bottom.
func (c *Controller) apply(ctx context.Context, s *seen, plan *strategy.Plan) error {
	try, problems := kube.Attempts(ctx)
	if plan.Traffic != nil {
		try("dividing the traffic of", s.Rollout.Name, func() error { return c.route(ctx, s, *plan.Traffic) })
	}
	for _, p := range plan.Point {
		try("pointing Service", p.Service, func() error { return c.point(ctx, s, p) })
	}
	c.applyScale(ctx, s, plan, try)
	for _, start := range plan.Start {
		try("starting AnalysisRun", start.Run.Name, func() error { return c.start(ctx, s, start) })
	}
	for _, name := range plan.Stop {
		try("stopping AnalysisRun", name, func() error { return c.stop(ctx, s, name) })
	}
	for _, name := range plan.Forget {
		try("deleting AnalysisRun", name, func() error { return c.forgetRun(ctx, s, name) })
	}
	c.applyExperiments(ctx, s, plan, try)
	if plan.Workload != nil {
		try("scaling the workload of", s.Rollout.Name, func() error { return c.scaleWorkload(ctx, s, *plan.Workload) })
	}
	for _, name := range plan.Prune {
		try("deleting ReplicaSet", name, func() error { return c.prune(ctx, s, name) })
	}
	for _, name := range plan.Evict {
		try("evicting pod", name, func() error { return c.evict(ctx, s, name) })
	}
	if plan.Stamp != nil {
		try("stamping Rollout", s.Rollout.Name, func() error { return c.stamp(ctx, s, *plan.Stamp) })
	}
	return problems()
}

func (c *Controller) route(ctx context.Context, s *seen, intent strategy.TrafficIntent) error {
	err := c.Router.Apply(ctx, s.Rollout, intent.Split)
	if err != nil {
		if text := err.Error(); !apierrors.IsConflict(err) && text != s.memory.refusal {
			s.memory.refusal = text
			c.tell(ctx, s.Rollout, corev1.EventTypeWarning, v1alpha1.ReasonTrafficRoutingError, text)
		}
		return err
	}
	s.memory.refusal = ""
	if intent.Why != nil {
		c.tellNote(ctx, s.Rollout, *intent.Why)
	}
	return nil
}

// point switches a selector and, the first time, marks the Service as this Rollout's, in one patch.
func (c *Controller) point(ctx context.Context, s *seen, intent strategy.ServiceIntent) error {
	service := s.services[intent.Service]
	change := change{Spec: map[string]any{"selector": map[string]any{v1alpha1.LabelPodTemplateHash: intent.Hash}}}
	if service.Annotations[v1alpha1.AnnotationManagedByRollouts] != s.Rollout.Name {
		change.Annotations = map[string]*string{v1alpha1.AnnotationManagedByRollouts: &s.Rollout.Name}
	}
	if err := c.patch(ctx, service.DeepCopy(), change); err != nil {
		return err
	}
	c.tellNote(ctx, s.Rollout, intent.Why)
	return nil
}

func (c *Controller) applyScale(ctx context.Context, s *seen, plan *strategy.Plan, try kube.Try) {
	for _, intent := range plan.Scale {
		if intent.Create {
			try("creating ReplicaSet", intent.Name, func() error { return c.create(ctx, s, plan, intent) })
			continue
		}
		try("changing ReplicaSet", intent.Name, func() error { return c.resize(ctx, s, intent) })
	}
	if s.adopt != "" {
		try("adopting ReplicaSet", s.adopt, func() error { return c.resize(ctx, s, strategy.ReplicaSetIntent{Name: s.adopt}) })
	}
}

// resize changes a ReplicaSet, and leaves our digest on one that is adopted.
//
// A change of the metadata of a role goes to the pods first: were the ReplicaSet first, a lost write would leave pods behind for good,
// because the ReplicaSet remembers what they carry. Pods made meanwhile are looked for afterwards.
func (c *Controller) resize(ctx context.Context, s *seen, intent strategy.ReplicaSetIntent) error {
	set, ok := s.sets[intent.Name]
	if !ok {
		return fmt.Errorf("it was not observed")
	}
	change := change{Annotations: changedAnnotations(intent), Spec: map[string]any{}}
	if s.adopt == intent.Name {
		change.Annotations[annotationDigest] = &s.digest
		s.adopt = ""
	}
	if intent.Replicas != nil {
		change.Spec["replicas"] = *intent.Replicas
	}
	if intent.MinReadySeconds != nil {
		change.Spec["minReadySeconds"] = *intent.MinReadySeconds
	}
	redressed, problem := c.redress(ctx, s, set, intent, &change)
	if err := c.patch(ctx, set.DeepCopy(), change); err != nil {
		return errors.Join(problem, err)
	}
	for _, why := range intent.Why {
		c.tellNote(ctx, s.Rollout, why)
	}
	if redressed != nil {
		return c.dressPods(ctx, s, intent, *redressed)
	}
	return problem
}

// redress changes the pods of a ReplicaSet for their new role, and adds the same to the change of its template. Where a pod could not be
// changed, the ReplicaSet does not say so either, and the next pass tries again.
func (c *Controller) redress(ctx context.Context, s *seen, set *appsv1.ReplicaSet, intent strategy.ReplicaSetIntent, part *change) (*dressing, error) {
	if intent.Metadata == nil {
		return nil, nil
	}
	d, err := dressingOf(s, intent.Hash, revisionOf(set).Metadata, *intent.Metadata)
	if err != nil {
		return nil, err
	}
	if err := c.dressPods(ctx, s, intent, d); err != nil {
		return nil, err
	}
	text, err := roleText(*intent.Metadata)
	if err != nil {
		return nil, err
	}
	part.Annotations[v1alpha1.AnnotationEphemeralMetadata] = text
	part.Spec["template"] = map[string]any{"metadata": d}
	return &d, nil
}

// create makes a ReplicaSet with its pods, or finds out why it cannot be made.
func (c *Controller) create(ctx context.Context, s *seen, plan *strategy.Plan, intent strategy.ReplicaSetIntent) error {
	set, err := newReplicaSet(s.Rollout, intent, s.digest)
	if err != nil {
		return err
	}
	err = c.Client.Create(ctx, set)
	switch {
	case err == nil:
		for _, why := range intent.Why {
			c.tellNote(ctx, s.Rollout, why)
		}
		return nil
	case apierrors.IsAlreadyExists(err):
		return c.taken(ctx, s, plan, intent.Name)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		s.memory.rejected, s.memory.rejection = s.digest, err.Error()
		return errRejected
	}
	if failed, told := failCreation(s, plan, intent.Name, err); !told {
		c.tell(ctx, s.Rollout, corev1.EventTypeWarning, failed.Reason, failed.Message)
	}
	return err
}

// taken decides what to do about a name that is in use: if it is our own ReplicaSet that the cache did not show yet, that is as good as
// having made it; otherwise the next pass tries another name.
func (c *Controller) taken(ctx context.Context, s *seen, plan *strategy.Plan, name string) error {
	existing := &appsv1.ReplicaSet{}
	key := types.NamespacedName{Namespace: s.Rollout.Namespace, Name: name}
	if err := c.Live.Get(ctx, key, existing); err != nil {
		return client.IgnoreNotFound(err)
	}
	ours := metav1.IsControlledBy(existing, s.Rollout)
	if ours && existing.DeletionTimestamp != nil {
		return fmt.Errorf("the previous one of that name is still being deleted")
	}
	if ours && existing.Annotations[annotationDigest] == s.digest {
		return nil
	}
	plan.Status.CollisionCount = ptr.To(ptr.Deref(plan.Status.CollisionCount, 0) + 1)
	return nil
}

// failCreation puts into the status why there is no new ReplicaSet, in place of the progress that was expected of it; told is true if it
// stands there already.
func failCreation(s *seen, plan *strategy.Plan, name string, cause error) (failed v1alpha1.RolloutCondition, told bool) {
	failed = v1alpha1.RolloutCondition{
		Type: v1alpha1.ConditionProgressing, Status: corev1.ConditionFalse, Reason: v1alpha1.ReasonReplicaSetCreateError,
		Message:        fmt.Sprintf("Failed to create new replica set %q: %v", name, cause),
		LastUpdateTime: metav1.NewTime(s.Now), LastTransitionTime: metav1.NewTime(s.Now),
	}
	for _, before := range s.Rollout.Status.Conditions {
		if before.Type == failed.Type && before.Reason == failed.Reason && before.Message == failed.Message {
			failed, told = before, true
		}
	}
	i := slices.IndexFunc(plan.Status.Conditions, func(c v1alpha1.RolloutCondition) bool { return c.Type == failed.Type })
	if i < 0 {
		plan.Status.Conditions = append(plan.Status.Conditions, failed)
	} else {
		plan.Status.Conditions[i] = failed
	}
	return failed, told
}

func (c *Controller) start(ctx context.Context, s *seen, intent strategy.RunIntent) error {
	return c.createOwned(ctx, s, intent.Run.DeepCopy(), &v1alpha1.AnalysisRun{}, intent.Why)
}

// createOwned creates an object of the Rollout and tells why. One that is there already and is ours comes from a pass whose end was lost; it is
// read into existing.
func (c *Controller) createOwned(ctx context.Context, s *seen, o, existing client.Object, why strategy.Note) error {
	err := c.Client.Create(ctx, o)
	if apierrors.IsAlreadyExists(err) {
		if err := c.Live.Get(ctx, client.ObjectKeyFromObject(o), existing); err != nil {
			return client.IgnoreNotFound(err)
		}
		if metav1.IsControlledBy(existing, s.Rollout) {
			return nil // the cache will show it
		}
		return fmt.Errorf("there is one of that name that does not belong to this Rollout: delete or rename it")
	}
	if err != nil {
		return err
	}
	c.tellNote(ctx, s.Rollout, why)
	return nil
}

func (c *Controller) stop(ctx context.Context, s *seen, name string) error {
	run, err := s.run(name)
	if err != nil {
		return err
	}
	return client.IgnoreNotFound(c.patch(ctx, run.DeepCopy(), change{Spec: map[string]any{"terminate": true}}))
}

func (c *Controller) forgetRun(ctx context.Context, s *seen, name string) error {
	run, err := s.run(name)
	if err != nil {
		return err
	}
	return c.delete(ctx, run.DeepCopy())
}

func (c *Controller) prune(ctx context.Context, s *seen, name string) error {
	set, ok := s.sets[name]
	if !ok {
		return fmt.Errorf("it was not observed")
	}
	return c.delete(ctx, set.DeepCopy())
}

// delete removes exactly the object that was observed, not a changed one and not another of the same name.
func (c *Controller) delete(ctx context.Context, o client.Object) error {
	return client.IgnoreNotFound(c.Client.Delete(ctx, o, client.Preconditions{
		UID: ptr.To(o.GetUID()), ResourceVersion: ptr.To(o.GetResourceVersion()),
	}, client.PropagationPolicy(metav1.DeletePropagationBackground)))
}

// evict asks for a pod to go. A disruption budget that forbids it for now is no error: the restart looks at the pods again later.
func (c *Controller) evict(ctx context.Context, s *seen, name string) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.Rollout.Namespace, Name: name}}
	eviction := &policyv1.Eviction{DeleteOptions: &metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: ptr.To(s.pods[name])},
	}}
	err := c.Client.SubResource("eviction").Create(ctx, pod, eviction)
	if apierrors.IsTooManyRequests(err) || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// stamp writes to the Rollout itself. What comes back is what the status is written against, since nothing else changed in between.
func (c *Controller) stamp(ctx context.Context, s *seen, stamp strategy.Stamp) error {
	change := change{Spec: map[string]any{}, Annotations: map[string]*string{}}
	if stamp.Replicas != nil {
		change.Spec["replicas"] = *stamp.Replicas
	}
	if stamp.Revision != 0 {
		change.Annotations[v1alpha1.AnnotationRevision] = ptr.To(strconv.FormatInt(stamp.Revision, 10))
	}
	if stamp.WorkloadGeneration != 0 {
		change.Annotations[v1alpha1.AnnotationWorkloadGeneration] = ptr.To(strconv.FormatInt(stamp.WorkloadGeneration, 10))
	}
	stamped := s.Rollout.DeepCopy()
	if err := c.patch(ctx, stamped, change); err != nil {
		return err
	}
	s.Rollout = stamped
	return nil
}

func (s *seen) run(name string) (*v1alpha1.AnalysisRun, error) {
	for i := range s.Runs {
		if s.Runs[i].Name == name {
			return &s.Runs[i], nil
		}
	}
	return nil, fmt.Errorf("it was not observed")
}

// change is a part of an object to write; a nil annotation is removed.
type change struct {
	Annotations map[string]*string
	Spec        map[string]any
}

// patch makes one merge patch on the condition that the object is still as it was observed, and fills o with the answer.
func (c *Controller) patch(ctx context.Context, o client.Object, part change) error {
	metadata := map[string]any{"resourceVersion": o.GetResourceVersion()}
	if len(part.Annotations) > 0 {
		metadata["annotations"] = part.Annotations
	}
	body := map[string]any{"metadata": metadata}
	if len(part.Spec) > 0 {
		body["spec"] = part.Spec
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.Client.Patch(ctx, o, client.RawPatch(types.MergePatchType, data))
}
