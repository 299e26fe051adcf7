package rollout

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// seen is an Observation and what apply must know besides in order to write on the condition that nothing changed since.
type seen struct {
	strategy.Observation

	memory *memory
	// digest identifies the template that the spec asks for.
	digest string
	// adopt is the name of a ReplicaSet of the same template that does not carry our digest yet; empty if there is none.
	adopt string

	sets     map[string]*appsv1.ReplicaSet
	services map[string]*corev1.Service
	pods     map[string]types.UID
	// refused says why the object that workloadRef names gives no template.
	refused field.ErrorList
	// trouble is what kept part of the world from being read; the pass goes on without that part and is tried again.
	trouble error
	// unread is why it could not be learned which revision the spec asks for.
	unread error
	// blind tells that pods could not be listed though a restart is due.
	blind bool
	// again asks for another pass after this time because something is missing that cannot be watched; 0 for none.
	again time.Duration
}

// observe gathers everything that a decision rests on. It only reads.
func (c *Controller) observe(ctx context.Context, key types.NamespacedName) (*seen, error) {
	r := &v1alpha1.Rollout{}
	if err := c.Client.Get(ctx, key, r); err != nil {
		return nil, err
	}
	s := &seen{
		Observation: strategy.Observation{Now: c.now(), Rollout: r, InstanceID: r.Labels[v1alpha1.LabelInstanceID]},
		memory:      c.memories.of(key, r.UID),
	}
	for _, part := range []struct {
		doing string
		read  func(context.Context, *seen) error
	}{
		{"reading the workload", c.observeWorkload},
		{"listing ReplicaSets", c.observeSets},
		{"listing AnalysisRuns", c.observeRuns},
		{"listing Experiments", c.observeExperiments},
		{"reading AnalysisTemplates", c.observeLibrary},
		{"reading Services", c.observeServices},
		{"finding the ReplicaSet of the pod template", c.observeCurrent},
	} {
		if err := part.read(ctx, s); err != nil {
			return nil, fmt.Errorf("%s: %w", part.doing, err)
		}
	}
	c.observeTemplates(ctx, s)
	c.observePods(ctx, s)
	c.observeTraffic(ctx, s)
	return s, nil
}

// without notes that a part of the world could not be read.
func (s *seen) without(doing string, err error) {
	s.trouble = errors.Join(s.trouble, fmt.Errorf("%s: %w", doing, err))
}

func (c *Controller) observeSets(ctx context.Context, s *seen) error {
	var list appsv1.ReplicaSetList
	if err := c.Client.List(ctx, &list, owned(s.Rollout)...); err != nil {
		return err
	}
	s.sets = make(map[string]*appsv1.ReplicaSet, len(list.Items))
	for i := range list.Items {
		set := &list.Items[i]
		s.sets[set.Name] = set
		s.Revisions = append(s.Revisions, revisionOf(set))
	}
	slices.SortFunc(s.Revisions, func(a, b strategy.Revision) int {
		return cmp.Or(cmp.Compare(b.Number, a.Number), b.Created.Compare(a.Created), cmp.Compare(a.Name, b.Name))
	})
	return nil
}

// revisionOf reads a ReplicaSet. Annotations that cannot be read, because anybody may edit them, count as absent.
func revisionOf(set *appsv1.ReplicaSet) strategy.Revision {
	v := strategy.Revision{
		Name: set.Name, Hash: set.Labels[v1alpha1.LabelPodTemplateHash],
		History: set.Annotations[v1alpha1.AnnotationRevisionHistory], Created: set.CreationTimestamp.Time,
		Spec: ptr.Deref(set.Spec.Replicas, 1), Replicas: set.Status.Replicas,
		MinReadySeconds: set.Spec.MinReadySeconds, Desired: -1, Deleting: set.DeletionTimestamp != nil,
	}
	// Pods beyond the size are about to be deleted, though the status still counts them: nothing may rely on them.
	v.Ready, v.Available = min(set.Status.ReadyReplicas, v.Spec), min(set.Status.AvailableReplicas, v.Spec)
	if n, err := strconv.ParseInt(set.Annotations[v1alpha1.AnnotationRevision], 10, 64); err == nil {
		v.Number = n
	}
	if n, err := strconv.ParseInt(set.Annotations[v1alpha1.AnnotationDesiredReplicas], 10, 32); err == nil {
		v.Desired = int32(n)
	}
	if t, err := time.Parse(time.RFC3339, set.Annotations[v1alpha1.AnnotationScaleDownDeadline]); err == nil {
		v.Deadline = &t
	}
	if json.Unmarshal([]byte(set.Annotations[v1alpha1.AnnotationEphemeralMetadata]), &v.Metadata) != nil {
		v.Metadata = v1alpha1.PodTemplateMetadata{}
	}
	for _, condition := range set.Status.Conditions {
		if condition.Type == appsv1.ReplicaSetReplicaFailure && condition.Status == corev1.ConditionTrue {
			v.Failure = condition.Message
		}
	}
	return v
}

func (c *Controller) observeRuns(ctx context.Context, s *seen) error {
	var list v1alpha1.AnalysisRunList
	if err := c.Client.List(ctx, &list, owned(s.Rollout)...); err != nil {
		return err
	}
	s.Runs = list.Items
	slices.SortFunc(s.Runs, func(a, b v1alpha1.AnalysisRun) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return nil
}

func owned(r *v1alpha1.Rollout) []client.ListOption {
	return []client.ListOption{client.InNamespace(r.Namespace), client.MatchingFields{kube.OwnerField: string(r.UID)}}
}

func (c *Controller) observeServices(ctx context.Context, s *seen) error {
	s.services = map[string]*corev1.Service{}
	stable, canary := servicesNamed(s.Rollout)
	var err error
	if s.Stable, err = c.observeService(ctx, s, stable); err != nil {
		return err
	}
	s.Canary, err = c.observeService(ctx, s, canary)
	return err
}

// servicesNamed gives the Services of the stable and of the new revision; with blue-green these are called active and preview.
func servicesNamed(r *v1alpha1.Rollout) (stable, canary string) {
	switch s := r.Spec.Strategy; {
	case s.Canary != nil:
		return s.Canary.StableService, s.Canary.CanaryService
	case s.BlueGreen != nil:
		return s.BlueGreen.ActiveService, s.BlueGreen.PreviewService
	}
	return "", ""
}

func (c *Controller) observeService(ctx context.Context, s *seen, name string) (strategy.Service, error) {
	if name == "" {
		return strategy.Service{}, nil
	}
	service := &corev1.Service{}
	err := c.named(s).Get(ctx, types.NamespacedName{Namespace: s.Rollout.Namespace, Name: name}, service)
	if apierrors.IsNotFound(err) {
		s.services[name] = nil
		return strategy.Service{Name: name}, nil
	}
	if err != nil {
		return strategy.Service{}, err
	}
	s.services[name] = service
	return strategy.Service{
		Name: name, Exists: true, Hash: service.Spec.Selector[v1alpha1.LabelPodTemplateHash],
		Managed: service.Annotations[v1alpha1.AnnotationManagedByRollouts] == s.Rollout.Name,
	}, nil
}

// observeTraffic reads the routes. A route that cannot be read or used stops nothing else, so it is no error of the observation.
func (c *Controller) observeTraffic(ctx context.Context, s *seen) {
	s.Routed = v1alpha1.HasRouter(s.Rollout)
	if !s.Routed {
		return
	}
	if !c.Router.Handles(s.Rollout) {
		s.TrafficError = "no router of this controller handles spec.strategy.canary.trafficRouting"
		return
	}
	watched, err := c.watchRoutes(ctx, s.Rollout)
	if !watched {
		s.again = routesRetry
	}
	if err == nil {
		split := strategy.Split(s.Rollout, s.Experiments...)
		s.Asked = split.Additional
		s.Traffic, err = c.Router.Observe(ctx, s.Rollout, split)
	}
	if err == nil {
		return
	}
	s.TrafficError = err.Error()
	if !trafficrouting.IsUnusable(err) {
		s.without("reading the routes", err)
	}
}

// tellTrouble tells once what is wrong with the routes, and why an update does not begin.
func (c *Controller) tellTrouble(ctx context.Context, s *seen) {
	if s.TrafficError != "" && s.TrafficError != s.memory.trouble {
		c.tell(ctx, s.Rollout, corev1.EventTypeWarning, v1alpha1.ReasonTrafficRoutingError, s.TrafficError)
	}
	s.memory.trouble = s.TrafficError
	if s.unread == nil {
		s.memory.unread = ""
		return
	}
	if text := "the update does not begin: " + s.unread.Error(); text != s.memory.unread {
		c.tell(ctx, s.Rollout, corev1.EventTypeWarning, v1alpha1.ReasonReconciliationError, text)
		s.memory.unread = text
	}
}

// observePods reads pods only while a restart is under way, and then past the cache: pods are by far the most numerous objects of a cluster.
func (c *Controller) observePods(ctx context.Context, s *seen) {
	if !strategy.Restarting(s.Rollout, s.Now) {
		return
	}
	var list corev1.PodList
	if err := c.Live.List(ctx, &list, client.InNamespace(s.Rollout.Namespace), kube.PodSelector(s.Rollout)); err != nil {
		s.blind = true
		s.without("listing pods to restart", err)
		return
	}
	s.pods = map[string]types.UID{}
	for i := range list.Items {
		pod := &list.Items[i]
		set := s.setOf(pod)
		if set == nil {
			continue
		}
		s.pods[pod.Name] = pod.UID
		s.Pods = append(s.Pods, strategy.Pod{
			Name: pod.Name, Hash: set.Labels[v1alpha1.LabelPodTemplateHash], Created: pod.CreationTimestamp.Time,
			Available: isAvailable(pod, set.Spec.MinReadySeconds, s.Now), Deleting: pod.DeletionTimestamp != nil,
		})
	}
	slices.SortFunc(s.Pods, func(a, b strategy.Pod) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Name, b.Name))
	})
}

func (s *seen) setOf(pod *corev1.Pod) *appsv1.ReplicaSet {
	for _, uid := range kube.Owner(pod) {
		for _, set := range s.sets {
			if string(set.UID) == uid {
				return set
			}
		}
	}
	return nil
}

// isAvailable reports whether a pod has been ready for so many seconds.
func isAvailable(pod *corev1.Pod, minReadySeconds int32, now time.Time) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			since := condition.LastTransitionTime.Add(time.Duration(minReadySeconds) * time.Second)
			return condition.Status == corev1.ConditionTrue && !now.Before(since)
		}
	}
	return false
}
