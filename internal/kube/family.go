package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Family is a Rollout and all it owns, the newest revision first.
type Family struct {
	Rollout   *v1alpha1.Rollout
	Revisions []Revision
}

// Revision is one pod template of a Rollout and what was made for it.
type Revision struct {
	// Number is the revision number; 0 if no object tells it.
	Number int64
	// Hash is the pod template hash that all objects of the revision carry.
	Hash string
	// ReplicaSet is nil once it was deleted while runs of the revision remain.
	ReplicaSet *appsv1.ReplicaSet
	// Pods, Runs and Experiments stand the newest first.
	Pods        []corev1.Pod
	Runs        []v1alpha1.AnalysisRun
	Experiments []Trial
}

// Members are objects that may belong to a Rollout, in any order and mixed with those of others.
type Members struct {
	ReplicaSets []appsv1.ReplicaSet
	Pods        []corev1.Pod
	Runs        []v1alpha1.AnalysisRun
	Experiments []v1alpha1.Experiment
}

// Group picks from all what belongs to r by the UID of the controlling owner and sorts it into revisions by hash.
// It keeps pointers into all and changes nothing.
func Group(r *v1alpha1.Rollout, all Members) Family {
	g := grouping{byHash: map[string]*Revision{}, byUID: map[types.UID]*Revision{}}
	for i := range all.ReplicaSets {
		if s := &all.ReplicaSets[i]; metav1.IsControlledBy(s, r) {
			v := g.revision(s)
			v.ReplicaSet = s
			v.Number = revisionNumber(s)
			g.byUID[s.UID] = v
		}
	}
	for i := range all.Pods {
		if owner := metav1.GetControllerOfNoCopy(&all.Pods[i]); owner != nil && g.byUID[owner.UID] != nil {
			v := g.byUID[owner.UID]
			v.Pods = append(v.Pods, all.Pods[i])
		}
	}
	for i := range all.Runs {
		if metav1.IsControlledBy(&all.Runs[i], r) {
			v := g.revision(&all.Runs[i])
			v.Runs = append(v.Runs, all.Runs[i])
		}
	}
	for i := range all.Experiments {
		if metav1.IsControlledBy(&all.Experiments[i], r) {
			v := g.revision(&all.Experiments[i])
			v.Experiments = append(v.Experiments, GroupExperiment(&all.Experiments[i], all))
		}
	}
	return Family{Rollout: r, Revisions: g.sorted()}
}

type grouping struct {
	byHash map[string]*Revision
	byUID  map[types.UID]*Revision
}

// revision returns the revision whose hash o carries. Only a ReplicaSet decides the number where there is one,
// because a return to an old template renumbers the ReplicaSet and leaves its runs as they were.
func (g grouping) revision(o client.Object) *Revision {
	hash := o.GetLabels()[v1alpha1.LabelPodTemplateHash]
	v, ok := g.byHash[hash]
	if !ok {
		v = &Revision{Hash: hash}
		g.byHash[hash] = v
	}
	if v.ReplicaSet == nil {
		v.Number = max(v.Number, revisionNumber(o))
	}
	return v
}

func (g grouping) sorted() []Revision {
	all := make([]Revision, 0, len(g.byHash))
	for _, v := range g.byHash {
		slices.SortFunc(v.Pods, func(a, b corev1.Pod) int { return newestFirst(&a, &b) })
		slices.SortFunc(v.Runs, func(a, b v1alpha1.AnalysisRun) int { return newestFirst(&a, &b) })
		slices.SortFunc(v.Experiments, func(a, b Trial) int { return newestFirst(a.Experiment, b.Experiment) })
		all = append(all, *v)
	}
	slices.SortFunc(all, func(a, b Revision) int {
		return cmp.Or(cmp.Compare(b.Number, a.Number), cmp.Compare(a.Hash, b.Hash))
	})
	return all
}

func newestFirst(a, b metav1.Object) int {
	return cmp.Or(
		b.GetCreationTimestamp().Compare(a.GetCreationTimestamp().Time),
		cmp.Compare(a.GetName(), b.GetName()),
	)
}

// revisionNumber reads the revision annotation; what is not a number counts as 0, because anybody may edit it.
func revisionNumber(o client.Object) int64 {
	n, err := strconv.ParseInt(o.GetAnnotations()[v1alpha1.AnnotationRevision], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// PodSelector narrows a list of ReplicaSets or pods to those that r may own. It only saves work: the owner decides,
// so a missing or unusable spec.selector narrows to everything with a pod template hash.
func PodSelector(r *v1alpha1.Rollout) client.ListOption {
	if r.Spec.Selector == nil {
		return client.HasLabels{v1alpha1.LabelPodTemplateHash}
	}
	s := r.Spec.Selector.DeepCopy()
	s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{
		Key: v1alpha1.LabelPodTemplateHash, Operator: metav1.LabelSelectorOpExists,
	})
	parsed, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return client.HasLabels{v1alpha1.LabelPodTemplateHash}
	}
	return client.MatchingLabelsSelector{Selector: parsed}
}

// Load reads the Rollout and its family. Kinds that the server does not serve count as none;
// a missing Rollout is the API's NotFound error.
func Load(ctx context.Context, c client.Reader, key client.ObjectKey) (Family, error) {
	r := &v1alpha1.Rollout{}
	if err := c.Get(ctx, key, r); err != nil {
		return Family{}, fmt.Errorf("reading rollout %s: %w", key, err)
	}
	pod, hashed := PodSelector(r), client.HasLabels{v1alpha1.LabelPodTemplateHash}
	var (
		sets        appsv1.ReplicaSetList
		pods        corev1.PodList
		runs        v1alpha1.AnalysisRunList
		experiments v1alpha1.ExperimentList
	)
	for _, want := range []struct {
		kind string
		list client.ObjectList
		only client.ListOption
	}{
		{"replicasets", &sets, pod}, {"pods", &pods, pod}, {"analysisruns", &runs, hashed}, {"experiments", &experiments, hashed},
	} {
		if err := c.List(ctx, want.list, client.InNamespace(key.Namespace), want.only); err != nil && !meta.IsNoMatchError(err) {
			return Family{}, fmt.Errorf("listing the %s of rollout %s: %w", want.kind, key, err)
		}
	}
	return Group(r, Members{sets.Items, pods.Items, runs.Items, experiments.Items}), nil
}
