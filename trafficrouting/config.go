package trafficrouting

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

var routingPath = field.NewPath("spec", "strategy", "canary", "trafficRouting")

// GatewayAPI reads which routes of the Gateway API a Rollout names, from trafficRouting.gatewayAPI or from the plugin entry
// with the same content; nil if it names neither. The error lists everything that is wrong, each with its path.
func GatewayAPI(r *v1alpha1.Rollout) (*v1alpha1.GatewayAPITrafficRouting, error) {
	if !v1alpha1.HasRouter(r) {
		return nil, nil
	}
	routing := r.Spec.Strategy.Canary.TrafficRouting
	plugin, isPlugin := routing.Plugins[v1alpha1.PluginGatewayAPI]
	pluginPath := routingPath.Child("plugins").Key(v1alpha1.PluginGatewayAPI)
	switch {
	case routing.GatewayAPI != nil && isPlugin:
		return nil, field.Forbidden(pluginPath, "trafficRouting.gatewayAPI is set as well; keep one of the two")
	case routing.GatewayAPI != nil:
		return checked(routing.GatewayAPI.DeepCopy(), routingPath.Child("gatewayAPI"))
	case isPlugin:
		config, err := decode(plugin.Raw, pluginPath)
		if err != nil {
			return nil, err
		}
		return checked(config, pluginPath)
	}
	return nil, nil
}

// decode refuses keys that it does not know, because a misspelt route would otherwise silently keep all its traffic.
func decode(raw []byte, at *field.Path) (*v1alpha1.GatewayAPITrafficRouting, error) {
	config := &v1alpha1.GatewayAPITrafficRouting{}
	strict, err := kjson.UnmarshalStrict(raw, config)
	if err != nil {
		return nil, fmt.Errorf("decoding %s: %w", at, err)
	}
	var errs field.ErrorList
	for _, wrong := range strict {
		errs = append(errs, field.Forbidden(at, wrong.Error()+"; correct or remove it"))
	}
	return config, errs.ToAggregate()
}

func checked(config *v1alpha1.GatewayAPITrafficRouting, at *field.Path) (*v1alpha1.GatewayAPITrafficRouting, error) {
	var errs field.ErrorList
	named := config.HTTPRoute != "" || config.GRPCRoute != "" || config.TCPRoute != "" || config.TLSRoute != ""
	for _, list := range []struct {
		key        string
		routes     []v1alpha1.GatewayAPIRoute
		hasHeaders bool
	}{
		{"httpRoutes", config.HTTPRoutes, true}, {"grpcRoutes", config.GRPCRoutes, true},
		{"tcpRoutes", config.TCPRoutes, false}, {"tlsRoutes", config.TLSRoutes, false},
	} {
		named = named || len(list.routes) > 0
		errs = append(errs, checkRoutes(list.routes, list.hasHeaders, at.Child(list.key))...)
	}
	for _, selector := range []struct {
		key   string
		value *metav1.LabelSelector
	}{
		{"httpRouteSelector", config.HTTPRouteSelector}, {"grpcRouteSelector", config.GRPCRouteSelector},
		{"tcpRouteSelector", config.TCPRouteSelector}, {"tlsRouteSelector", config.TLSRouteSelector},
	} {
		named = named || selector.value != nil
		errs = append(errs, checkSelector(selector.value, at.Child(selector.key))...)
	}
	if !named {
		errs = append(errs, field.Required(at, "no route is named; set at least one of httpRoute, grpcRoute, tcpRoute, tlsRoute, "+
			"their plural forms or their selectors"))
	}
	if err := errs.ToAggregate(); err != nil {
		return nil, err
	}
	return config, nil
}

func checkRoutes(routes []v1alpha1.GatewayAPIRoute, hasHeaders bool, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, route := range routes {
		if route.Name == "" {
			errs = append(errs, field.Required(at.Index(i).Child("name"), "the name of a route is missing"))
		}
		if route.UseHeaderRoutes && !hasHeaders {
			errs = append(errs, field.Forbidden(at.Index(i).Child("useHeaderRoutes"), "only HTTPRoutes and GRPCRoutes see headers"))
		}
	}
	return errs
}

func checkSelector(selector *metav1.LabelSelector, at *field.Path) field.ErrorList {
	if selector == nil {
		return nil
	}
	if _, err := metav1.LabelSelectorAsSelector(selector); err != nil {
		return field.ErrorList{field.Invalid(at, metav1.FormatLabelSelector(selector), err.Error())}
	}
	if len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		return field.ErrorList{field.Invalid(at, "{}", "an empty selector would take every route of the namespace; name a label")}
	}
	return nil
}
