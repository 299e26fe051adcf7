package view

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// gatherTime is how long further changes are awaited after one, so that a burst of them is drawn once.
const gatherTime = 50 * time.Millisecond

// Watch calls show with the family of a Rollout at once and after each change, until ctx ends, show returns an error or the Rollout
// is gone (a NotFound error). Objects must not be changed by show. Trouble is why what is shown may be out of date; nil in good health.
// Nothing is polled: each kind is listed once and watched, and what the server does not serve counts as none.
func Watch(ctx context.Context, c client.WithWatch, key client.ObjectKey, show func(f kube.Family, trouble error) error) error {
	r := &v1alpha1.Rollout{}
	if err := c.Get(ctx, key, r); err != nil {
		return fmt.Errorf("reading rollout %s: %w", key, err)
	}
	in, pod, hashed := client.InNamespace(key.Namespace), kube.PodSelector(r), client.HasLabels{v1alpha1.LabelPodTemplateHash}
	s := newStage(c)
	rollouts := followRollout(s, key)
	sets := follow[appsv1.ReplicaSet](s, "replicasets", &appsv1.ReplicaSetList{}, in, pod)
	pods := follow[corev1.Pod](s, "pods", &corev1.PodList{}, in, pod)
	runs := follow[v1alpha1.AnalysisRun](s, "analysisruns", &v1alpha1.AnalysisRunList{}, in, hashed)
	experiments := follow[v1alpha1.Experiment](s, "experiments", &v1alpha1.ExperimentList{}, in, hashed)
	return s.play(ctx, func(trouble error) error {
		r, err := rollouts.named(key)
		if err != nil {
			return err
		}
		return show(kube.Group(r, kube.Members{ReplicaSets: sets.all(), Pods: pods.all(), Runs: runs.all(), Experiments: experiments.all()}), trouble)
	})
}

// WatchAlone is Watch for a Rollout without its family, for whoever may not read more than that.
func WatchAlone(ctx context.Context, c client.WithWatch, key client.ObjectKey, show func(r *v1alpha1.Rollout, trouble error) error) error {
	s := newStage(c)
	rollouts := followRollout(s, key)
	return s.play(ctx, func(trouble error) error {
		r, err := rollouts.named(key)
		if err != nil {
			return err
		}
		return show(r, trouble)
	})
}

// WatchAll is Watch for the Rollouts of a namespace, or of all if it is empty, sorted by namespace and name, each without a tree.
func WatchAll(ctx context.Context, c client.WithWatch, namespace string, show func(all []kube.Family, trouble error) error) error {
	s := newStage(c)
	rollouts := follow[v1alpha1.Rollout](s, "rollouts", &v1alpha1.RolloutList{}, client.InNamespace(namespace))
	return s.play(ctx, func(trouble error) error {
		items := rollouts.all()
		all := make([]kube.Family, 0, len(items))
		for i := range items {
			all = append(all, kube.Family{Rollout: &items[i]})
		}
		sortByKey(all)
		return show(all, trouble)
	})
}

func followRollout(s *stage, key client.ObjectKey) rollouts {
	only := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", key.Name)}
	return rollouts{follow[v1alpha1.Rollout](s, "rollouts", &v1alpha1.RolloutList{}, client.InNamespace(key.Namespace), only)}
}

type rollouts struct{ objects[v1alpha1.Rollout] }

// named returns the one Rollout that is followed, or NotFound.
func (o rollouts) named(key client.ObjectKey) (*v1alpha1.Rollout, error) {
	for _, r := range o.all() {
		if r.Name == key.Name {
			return &r, nil
		}
	}
	return nil, apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("rollouts").GroupResource(), key.String())
}

// stage is a set of feeds that are shown together.
type stage struct {
	client client.WithWatch
	feeds  []*feed
	// changed holds a signal when something is worth another look.
	changed chan struct{}
}

func newStage(c client.WithWatch) *stage { return &stage{client: c, changed: make(chan struct{}, 1)} }

func (s *stage) signal() {
	select {
	case s.changed <- struct{}{}:
	default: // a look is due already
	}
}

// play runs the feeds and calls draw once all have been listed, then after each change.
// A feed that fails before that ends the play with its error, so that a missing permission is told and not waited for.
func (s *stage) play(ctx context.Context, draw func(trouble error) error) error {
	// What goes wrong reaches draw; the library's own log would only disturb the picture.
	ctx, stop := context.WithCancel(klog.NewContext(ctx, logr.Discard()))
	defer stop()
	for _, f := range s.feeds {
		go f.informer.RunWithContext(ctx)
	}
	for _, f := range s.feeds {
		if err := s.awaitList(ctx, f); err != nil {
			return err
		}
	}
	for {
		if err := draw(s.trouble()); err != nil {
			return err
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-time.After(gatherTime):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *stage) awaitList(ctx context.Context, f *feed) error {
	for {
		select {
		case <-f.informer.HasSyncedChecker().Done():
			return nil
		case <-s.changed:
			if err := s.trouble(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *stage) trouble() error {
	for _, f := range s.feeds {
		if err := f.err(); err != nil {
			return err
		}
	}
	return nil
}
