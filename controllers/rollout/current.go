package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/validation"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/strategy"
)

// annotationDigest marks a ReplicaSet with the hash of the template as the Rollout's author wrote it. It ties a ReplicaSet of another controller,
// whose own hash is of another kind, to the template for good: kept in the object and not in our mind, because otherwise each
// restart of the controller would ask the API server about every adopted ReplicaSet again.
const annotationDigest = "rollout.sluice.dev/template-digest"

// errTrialDenied says that a policy, a quota or missing rights keep the pod template from being tried.
var errTrialDenied = errors.New("the trial of the pod template is denied")

// observeCurrent judges the spec and finds the revision that it asks for.
func (c *Controller) observeCurrent(ctx context.Context, s *seen) error {
	if err := c.judge(ctx, s); err != nil {
		return err
	}
	if s.unread == nil {
		return nil
	}
	return s.goOn()
}

// goOn takes the revision that was current last for the one that the spec asks for, so that its traffic and its abort do not wait for what
// could not be read. Without its ReplicaSet there is nothing to go on with.
func (s *seen) goOn() error {
	last := s.Rollout.Status.CurrentPodHash
	i := slices.IndexFunc(s.Revisions, func(v strategy.Revision) bool { return v.Hash == last && last != "" && !v.Deleting })
	if i < 0 {
		return s.unread
	}
	s.Current, s.adopt = last, ""
	if s.Rollout.Spec.Selector == nil { // it is that of the workload, and its labels may not be given to a role
		s.Rollout.Spec.Selector = s.sets[s.Revisions[i].Name].Spec.Selector.DeepCopy()
		delete(s.Rollout.Spec.Selector.MatchLabels, v1alpha1.LabelPodTemplateHash)
	}
	s.without("finding the ReplicaSet of the pod template", s.unread)
	return nil
}

// withhold takes back from a plan what it claims about things that could not be read.
func (s *seen) withhold(plan *strategy.Plan) {
	if s.unread != nil {
		plan.Status.ObservedGeneration = s.Rollout.Status.ObservedGeneration
	}
	if s.blind {
		plan.Status.RestartedAt = s.Rollout.Status.RestartedAt
	}
}

// judge finds what is wrong with the spec and which revision it asks for, or notes why that cannot be read.
func (c *Controller) judge(ctx context.Context, s *seen) error {
	s.Rollout.Spec.Template = kube.AuthorsTemplate(s.Rollout.Spec.Template)
	errs := append(s.refused, validation.Unsupported(s.Rollout)...)
	if len(s.refused) == 0 {
		errs = append(errs, validation.Rollout(s.resolved())...)
	}
	if len(errs) == 0 && s.unread == nil {
		var err error
		if s.digest, err = v1alpha1.PodTemplateHash(s.Rollout.Spec.Template, nil); err != nil {
			return err
		}
		s.Current, s.unread = c.currentHash(ctx, s)
	}
	if len(s.refused) == 0 {
		errs = append(errs, validation.References(s.Rollout, validation.Referenced{Services: s.services, Compose: s.compose})...)
	}
	if len(errs) == 0 && s.memory.rejected != "" && s.memory.rejected == s.digest {
		errs = field.ErrorList{field.Invalid(field.NewPath("spec", "template"), field.OmitValueType{}, s.memory.rejection)}
	}
	if len(errs) > 0 {
		s.Invalid = validation.Message(s.Rollout.Name, errs)
		s.Current, s.adopt = s.Rollout.Status.CurrentPodHash, ""
	}
	return nil
}

// compose makes the run of an analysis only to learn whether it can be made. Whether it may go on for ever is judged by whoever asks.
func (s *seen) compose(a v1alpha1.RolloutAnalysis) (*v1alpha1.AnalysisRun, error) {
	return analysis.ForRollout(s.Rollout, a, s.Library, analysis.RunAt{
		Hash: s.Current, StableHash: s.Rollout.Status.StableRS, Type: analysis.TypeBackground, InstanceID: s.InstanceID,
	})
}

// currentHash finds the ReplicaSet of the template that the spec asks for: by its digest, by our hash, and at last, because another controller
// may have made it or somebody wrote the same in other words, by its meaning. Without any it is the hash of the one to be made.
func (c *Controller) currentHash(ctx context.Context, s *seen) (string, error) {
	own, err := v1alpha1.PodTemplateHash(s.Rollout.Spec.Template, s.Rollout.Status.CollisionCount)
	if err != nil {
		return "", err
	}
	if known := s.madeFor(own); known != "" {
		return known, nil
	}
	if len(s.Revisions) == 0 || s.memory.unlike == s.digest {
		return own, nil
	}
	equal, err := c.equalSet(ctx, s)
	if errors.Is(err, errTrialDenied) {
		return own, nil // making the ReplicaSet in earnest is denied as well, and there the user is told; once it is allowed, the search is made
	}
	if err != nil {
		return "", err
	}
	if equal == nil {
		s.memory.unlike = s.digest
		return own, nil
	}
	s.adopt = equal.GetName()
	return equal.GetLabels()[v1alpha1.LabelPodTemplateHash], nil
}

// madeFor is the hash of a ReplicaSet that carries our digest, or else of one without any that carries our hash; empty if there is none.
func (s *seen) madeFor(own string) string {
	for _, match := range []func(strategy.Revision) bool{
		func(v strategy.Revision) bool { return s.sets[v.Name].Annotations[annotationDigest] == s.digest },
		func(v strategy.Revision) bool {
			return v.Hash == own && s.sets[v.Name].Annotations[annotationDigest] == ""
		},
	} {
		for _, v := range s.Revisions {
			if !v.Deleting && v.Hash != "" && match(v) {
				return v.Hash
			}
		}
	}
	return ""
}

// equalSet looks for a ReplicaSet whose template means the same as the one that the spec asks for. Most are ruled out without a question:
// only where each field that was written stands in the ReplicaSet too, the API server is asked what it would make of ours.
func (c *Controller) equalSet(ctx context.Context, s *seen) (*unstructured.Unstructured, error) {
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(replicaSetKind)
	// The cache keeps ReplicaSets without their templates, so they are read from the API server, once for each new template.
	if err := c.Live.List(ctx, &list, client.InNamespace(s.Rollout.Namespace), kube.PodSelector(s.Rollout)); err != nil {
		return nil, err
	}
	written, err := kube.TemplateTree(s.Rollout.Spec.Template)
	if err != nil {
		return nil, err
	}
	var defaulted map[string]any
	for _, set := range candidates(s, list.Items) {
		stored, err := kube.BareTemplate(set)
		if err != nil {
			return nil, err
		}
		if !covers(written, stored) {
			continue
		}
		if defaulted == nil {
			if defaulted, err = c.defaultedTemplate(ctx, s); err != nil || defaulted == nil {
				return nil, err
			}
		}
		if sameTemplate(defaulted, stored) {
			return set, nil
		}
	}
	return nil, nil
}

// candidates are the ReplicaSets of the Rollout that may be taken over, the newest revision first.
func candidates(s *seen, sets []unstructured.Unstructured) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for _, v := range s.Revisions {
		i := slices.IndexFunc(sets, func(u unstructured.Unstructured) bool { return u.GetName() == v.Name })
		if i >= 0 && !v.Deleting && v.Hash != "" {
			found = append(found, &sets[i])
		}
	}
	return found
}

// defaultedTemplate asks the API server what our template would look like once stored; nil if it would not store it.
func (c *Controller) defaultedTemplate(ctx context.Context, s *seen) (map[string]any, error) {
	trial, err := newReplicaSet(s.Rollout, strategy.ReplicaSetIntent{Hash: "trial"}, s.digest)
	if err != nil {
		return nil, err
	}
	trial.SetName("")
	trial.SetGenerateName("sluice-trial-")
	err = c.Client.Create(ctx, trial, client.DryRunAll)
	if apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
		return nil, nil // making the ReplicaSet in earnest fails the same way, and there the user is told
	}
	if apierrors.IsForbidden(err) {
		return nil, errTrialDenied
	}
	if err != nil {
		return nil, fmt.Errorf("trying the pod template: %w", err)
	}
	return kube.BareTemplate(trial)
}
