package rollout

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestAKindOfRouteThatIsSlowToStartHoldsUpNoOtherKind(t *testing.T) {
	w := newWorld(t)
	served := func(meta.RESTMapper) (kinds []client.Object, err error) {
		for _, name := range []string{"HTTPRoute", "TCPRoute"} {
			o := &unstructured.Unstructured{}
			o.SetGroupVersionKind(schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: name})
			kinds = append(kinds, o)
		}
		return kinds, nil
	}
	begun, release := make(chan bool), make(chan bool)
	w.loop.Routes = RouteKinds{Of: func(r *v1alpha1.Rollout) []string { return []string{r.Name + "/shop/web"} }, Served: served}
	w.loop.routes.start = func(_ context.Context, kind client.Object) error {
		if kind.GetObjectKind().GroupVersionKind().Kind == "TCPRoute" {
			begun <- true
			<-release
		}
		return nil
	}
	naming := func(kind string) *v1alpha1.Rollout {
		r := canary()
		r.Name = kind
		return r
	}
	watch := func(kind string) {
		t.Helper()
		if watched, err := w.loop.watchRoutes(t.Context(), naming(kind)); !watched || err != nil {
			t.Errorf("watching %s: %t, error %v", kind, watched, err)
		}
	}
	watch("HTTPRoute")
	done := make(chan bool)
	go func() {
		defer close(done)
		watch("TCPRoute")
	}()
	<-begun
	watch("HTTPRoute") // with the lock held it would never return
	close(release)
	<-done
}
