package trafficrouting_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

func routed(field *v1alpha1.GatewayAPITrafficRouting, plugin string) *v1alpha1.Rollout {
	routing := &v1alpha1.RolloutTrafficRouting{GatewayAPI: field}
	if plugin != "" {
		routing.Plugins = map[string]apiextensionsv1.JSON{v1alpha1.PluginGatewayAPI: {Raw: []byte(plugin)}}
	}
	r := &v1alpha1.Rollout{}
	r.Spec.Strategy.Canary = &v1alpha1.CanaryStrategy{TrafficRouting: routing}
	return r
}

func TestFieldAndPluginSayTheSame(t *testing.T) {
	full := `{"namespace": "edge", "httpRoute": "web", "grpcRoutes": [{"name": "api", "useHeaderRoutes": true}],
		"tlsRouteSelector": {"matchLabels": {"a": "b"}}, "disableInProgressLabel": true}`
	want := &v1alpha1.GatewayAPITrafficRouting{Namespace: "edge", HTTPRoute: "web", DisableInProgressLabel: true,
		GRPCRoutes:       []v1alpha1.GatewayAPIRoute{{Name: "api", UseHeaderRoutes: true}},
		TLSRouteSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}}
	for name, r := range map[string]*v1alpha1.Rollout{"field": routed(want, ""), "plugin": routed(nil, full)} {
		got, err := trafficrouting.GatewayAPI(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestARolloutWithoutRoutesHasNoConfiguration(t *testing.T) {
	blueGreen := &v1alpha1.Rollout{}
	blueGreen.Spec.Strategy.BlueGreen = &v1alpha1.BlueGreenStrategy{}
	for name, r := range map[string]*v1alpha1.Rollout{"empty": {}, "blue-green": blueGreen, "another router": routed(nil, "")} {
		if got, err := trafficrouting.GatewayAPI(r); got != nil || err != nil {
			t.Errorf("%s: got %v, %v; want nothing", name, got, err)
		}
	}
}

func TestAWrongConfigurationIsNamed(t *testing.T) {
	field := &v1alpha1.GatewayAPITrafficRouting{HTTPRoute: "web"}
	for _, c := range []struct {
		name string
		r    *v1alpha1.Rollout
		want []string
	}{
		{"field and plugin at once", routed(field, `{"httpRoute": "web"}`), []string{"plugins[argoproj-labs/gatewayAPI]", "keep one of the two"}},
		{"an unknown key", routed(nil, `{"httpRoute": "web", "httpRoutez": []}`), []string{"plugins[argoproj-labs/gatewayAPI]", `unknown field "httpRoutez"`}},
		{"an unknown key inside", routed(nil, `{"httpRoutes": [{"name": "a", "header": true}]}`), []string{`unknown field "httpRoutes[0].header"`}},
		{"a key in another case", routed(nil, `{"httproute": "web"}`), []string{`unknown field "httproute"`}},
		{"a key twice", routed(nil, `{"httpRoute": "a", "httpRoute": "b"}`), []string{`duplicate field "httpRoute"`}},
		{"a wrong type", routed(nil, `{"httpRoute": 1}`), []string{"decoding spec.strategy.canary.trafficRouting.plugins", "httpRoute"}},
		{"no object", routed(nil, `"web"`), []string{"decoding"}},
		{"no route", routed(nil, `{}`), []string{"no route is named", "httpRoute"}},
		{"no route in the field", routed(&v1alpha1.GatewayAPITrafficRouting{Namespace: "x"}, ""), []string{"trafficRouting.gatewayAPI", "no route is named"}},
		{"two faults at once", routed(nil, `{"httpRoutes": [{}], "tcpRoutes": [{"name": "a", "useHeaderRoutes": true}]}`),
			[]string{"httpRoutes[0].name", "tcpRoutes[0].useHeaderRoutes"}},
		{"a selector that is none", routed(nil, `{"grpcRouteSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}`), []string{"grpcRouteSelector", "Like"}},
		{"an empty selector", routed(nil, `{"httpRouteSelector": {}}`), []string{"httpRouteSelector", "every route"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := trafficrouting.GatewayAPI(c.r)
			if err == nil {
				t.Fatal("it was accepted")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error %q does not say %q", err, part)
				}
			}
		})
	}
}

// The decoder takes bytes that a user wrote: it may refuse them, but what it accepts names a route and survives being written again.
func FuzzGatewayAPIConfiguration(f *testing.F) {
	for _, seed := range []string{
		`{"httpRoute": "web"}`, `{"grpcRoutes": [{"name": "a", "useHeaderRoutes": true}], "namespace": "n"}`,
		`{"tcpRouteSelector": {"matchLabels": {"a": "b"}}}`, `{"httpRoutez": 1}`, `null`, `[]`, `{"httpRoute": null}`, `{"httpRoute":"a","httpRoute":"b"}`,
		`{"httpRoutes":[{"name":""}]}`, strings.Repeat(`{"a":`, 200), "{\"httpRoute\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		config, err := trafficrouting.GatewayAPI(routed(nil, "x"+string(raw)))
		if err == nil {
			t.Fatalf("bytes that are no JSON were accepted: %v", config)
		}
		config, err = trafficrouting.GatewayAPI(routed(nil, string(raw)))
		if err != nil || config == nil {
			return
		}
		again, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		second, err := trafficrouting.GatewayAPI(routed(nil, string(again)))
		if err != nil {
			t.Fatalf("what was accepted is refused when written again as %s: %v", again, err)
		}
		if diff := cmp.Diff(config, second); diff != "" {
			t.Fatalf("the configuration changed (-first +second):\n%s", diff)
		}
	})
}
