package gatewayapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
	"github.com/sluice-delivery/sluice/trafficrouting/gatewayapi"
)

const group = "gateway.networking.k8s.io"

// cluster is a fake API server that answers a failed test of a JSON patch as a real one does.
type cluster struct {
	t *testing.T
	client.Client
	// patches are the writes that were tried.
	patches []string
	// beforeWrite runs once, right before the next patch is applied.
	beforeWrite func()
	// refuse, if set, answers a patch instead of the server.
	refuse func(client.Object, *client.PatchOptions) error
}

func newCluster(t *testing.T, objects ...*unstructured.Unstructured) *cluster {
	t.Helper()
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Group: group, Version: "v1"}, {Group: group, Version: "v1alpha2"}})
	for kind, version := range map[string]string{"HTTPRoute": "v1", "GRPCRoute": "v1", "TLSRoute": "v1", "TCPRoute": "v1alpha2"} {
		mapper.Add(schema.GroupVersionKind{Group: group, Version: version, Kind: kind}, meta.RESTScopeNamespace)
	}
	c := &cluster{t: t}
	builder := fake.NewClientBuilder().WithScheme(runtime.NewScheme()).WithRESTMapper(mapper)
	for _, o := range objects {
		builder = builder.WithObjects(o)
	}
	c.Client = builder.WithInterceptorFuncs(interceptor.Funcs{Patch: c.patch}).Build()
	return c
}

func (c *cluster) patch(ctx context.Context, under client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
	data, err := p.Data(o)
	if err != nil {
		return err
	}
	c.patches = append(c.patches, string(data))
	if before := c.beforeWrite; before != nil {
		c.beforeWrite = nil
		before()
	}
	if c.refuse != nil {
		if err := c.refuse(o, (&client.PatchOptions{}).ApplyOptions(options)); err != nil {
			return err
		}
	}
	err = under.Patch(ctx, o, p, options...)
	if err != nil && strings.Contains(err.Error(), "testing value") {
		return apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
	}
	return err
}

func (c *cluster) router() gatewayapi.Router { return gatewayapi.Router{Client: c} }

// read gives a route as it is stored.
func (c *cluster) read(kind, version, namespace, name string) *unstructured.Unstructured {
	c.t.Helper()
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: version, Kind: kind})
	if err := c.Get(c.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, o); err != nil {
		c.t.Fatalf("reading %s %s/%s: %v", kind, namespace, name, err)
	}
	return o
}

func (c *cluster) web() *unstructured.Unstructured { return c.read("HTTPRoute", "v1", "shop", "web") }

// edit is somebody else who changes the rules of a route.
func (c *cluster) edit(o *unstructured.Unstructured, change func(rules []any) []any) {
	c.t.Helper()
	rules, _, err := unstructured.NestedSlice(o.Object, "spec", "rules")
	if err != nil {
		c.t.Fatal(err)
	}
	if err := unstructured.SetNestedSlice(o.Object, change(rules), "spec", "rules"); err != nil {
		c.t.Fatal(err)
	}
	if err := c.Update(c.t.Context(), o); err != nil {
		c.t.Fatalf("editing the route: %v", err)
	}
}

// rules gives the rules of a stored route as one line of JSON each.
func rules(t *testing.T, o *unstructured.Unstructured) []string {
	t.Helper()
	list, _, err := unstructured.NestedSlice(o.Object, "spec", "rules")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range list {
		lines = append(lines, encode(t, r))
	}
	return lines
}

func encode(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// object reads a manifest.
func object(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(manifest))
	if err == nil {
		err = o.UnmarshalJSON(data)
	}
	if err != nil {
		t.Fatalf("reading a manifest: %v\n%s", err, manifest)
	}
	return o
}

// webRoute is an HTTPRoute shop/web with these rules, in YAML.
func webRoute(t *testing.T, rules string) *unstructured.Unstructured {
	t.Helper()
	return object(t, `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: public}]
  rules:`+rules)
}

// both is a rule with both Services.
const both = `
  - backendRefs: [{name: stable, port: 80, weight: 100}, {name: canary, port: 80, weight: 0}]`

// rollout is a Rollout shop/web whose spec.strategy.canary.trafficRouting is this YAML.
func rollout(t *testing.T, routing string) *v1alpha1.Rollout {
	t.Helper()
	r := &v1alpha1.Rollout{}
	r.Namespace, r.Name = "shop", "web"
	config := &v1alpha1.RolloutTrafficRouting{}
	if err := yaml.UnmarshalStrict([]byte(routing), config); err != nil {
		t.Fatalf("reading trafficRouting: %v", err)
	}
	r.Spec.Strategy.Canary = &v1alpha1.CanaryStrategy{StableService: "stable", CanaryService: "canary", TrafficRouting: config}
	return r
}

func webRollout(t *testing.T) *v1alpha1.Rollout {
	t.Helper()
	return rollout(t, `{gatewayAPI: {httpRoute: web}, managedRoutes: [{name: h}, {name: m}, {name: h2}]}`)
}

func split(canary int32) trafficrouting.Split {
	return trafficrouting.Split{
		Stable: trafficrouting.Share{Service: "stable", Weight: 100 - canary},
		Canary: trafficrouting.Share{Service: "canary", Weight: canary},
	}
}

func header(name, headerName string, value v1alpha1.StringMatch) v1alpha1.SetHeaderRoute {
	return v1alpha1.SetHeaderRoute{Name: name, Match: []v1alpha1.HeaderRoutingMatch{{HeaderName: headerName, HeaderValue: &value}}}
}
