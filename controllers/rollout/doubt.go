package rollout

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// doubting reads from the cache, and asks the API server itself for an object that the cache does not show: objects that were applied
// together reach the caches one by one, and a sound manifest must not look invalid meanwhile.
type doubting struct {
	client.Reader
	live client.Reader
}

func (d doubting) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	err := d.Reader.Get(ctx, key, o, opts...)
	if !apierrors.IsNotFound(err) || d.live.Get(ctx, key, o, opts...) != nil {
		return err
	}
	return nil
}

// named reads what a Rollout names. Once it was told that something is missing, the cache is believed, so that waiting costs no requests.
func (c *Controller) named(s *seen) client.Reader {
	for _, known := range s.Rollout.Status.Conditions {
		if known.Type == v1alpha1.ConditionInvalidSpec {
			return c.Client
		}
	}
	return doubting{Reader: c.Client, live: c.Live}
}
