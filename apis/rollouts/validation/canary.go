package validation

import (
	"math"
	"slices"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// uses reports whether traffic routing names at least one of the routers.
func uses(t *v1alpha1.RolloutTrafficRouting, routers ...string) bool {
	if t == nil {
		return false
	}
	named := map[string]bool{
		"gatewayAPI": t.GatewayAPI != nil,
		"plugins":    len(t.Plugins) > 0,
		"istio":      t.Istio != nil,
		"nginx":      t.Nginx != nil,
		"alb":        t.ALB != nil,
		"smi":        t.SMI != nil,
		"ambassador": t.Ambassador != nil,
		"appMesh":    t.AppMesh != nil,
		"traefik":    t.Traefik != nil,
		"apisix":     t.Apisix != nil,
	}
	return slices.ContainsFunc(routers, func(router string) bool { return named[router] })
}

func checkCanary(r *v1alpha1.Rollout, at *field.Path) field.ErrorList {
	c := r.Spec.Strategy.Canary
	errs := checkFences(c, at)
	if c.StableService != "" && c.StableService == c.CanaryService {
		errs = append(errs, field.Invalid(at.Child("stableService"), c.StableService, "must differ from canaryService"))
	}
	errs = append(errs, checkPingPong(c, at)...)
	errs = append(errs, checkServiceNames(c, at)...)
	errs = append(errs, checkRouterOnlyFields(c, at)...)
	errs = append(errs, checkMaxTrafficWeight(c.TrafficRouting, at.Child("trafficRouting", "maxTrafficWeight"))...)
	for i := range c.Steps {
		errs = append(errs, checkStep(r, c.Steps[i], at.Child("steps").Index(i))...)
		errs = append(errs, checkExperimentStep(r, i, at.Child("steps").Index(i))...)
	}
	return append(errs, checkAntiAffinity(c.AntiAffinity, at.Child("antiAffinity"))...)
}

// checkFences refuses a text that is no number by itself, because with it neither surge nor unavailability would let a pod move.
func checkFences(c *v1alpha1.CanaryStrategy, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	zeros := 0
	for _, f := range []struct {
		name  string
		value *intstr.IntOrString
	}{{"maxSurge", c.MaxSurge}, {"maxUnavailable", c.MaxUnavailable}} {
		pods, ok := v1alpha1.ScaleFence(f.value, 100, math.Ceil)
		if !ok {
			errs = append(errs, field.Invalid(at.Child(f.name), f.value.String(), "must be a number of pods or a percentage such as 25%"))
			continue
		}
		if pods == 0 {
			zeros++
		}
	}
	if zeros == 2 {
		errs = append(errs, field.Invalid(at.Child("maxSurge"), c.MaxSurge.String(), "must not be 0 together with maxUnavailable, or no pod could be replaced"))
	}
	return errs
}

func checkPingPong(c *v1alpha1.CanaryStrategy, at *field.Path) field.ErrorList {
	if c.PingPong == nil {
		return nil
	}
	var errs field.ErrorList
	if c.TrafficRouting != nil && !uses(c.TrafficRouting, "alb", "istio", "plugins") {
		errs = append(errs, field.Invalid(at.Child("trafficRouting", "alb"), "", "pingPong needs the router alb, istio or a plugin"))
	}
	ping, pong := at.Child("pingPong", "pingService"), at.Child("pingPong", "pongService")
	if c.PingPong.PingService == "" {
		errs = append(errs, field.Invalid(ping, "", "pingPong needs both services"))
	}
	if c.PingPong.PongService == "" {
		errs = append(errs, field.Invalid(pong, "", "pingPong needs both services"))
	}
	if c.PingPong.PingService == c.PingPong.PongService {
		errs = append(errs, field.Invalid(ping, c.PingPong.PingService, "must differ from pongService"))
	}
	if uses(c.TrafficRouting, "alb") && c.TrafficRouting.ALB.RootService == "" {
		errs = append(errs, field.Invalid(at.Child("trafficRouting", "alb", "rootService"), "", "pingPong needs it"))
	}
	return errs
}

// checkServiceNames asks for both Services where a router tells revisions apart by them.
func checkServiceNames(c *v1alpha1.CanaryStrategy, at *field.Path) field.ErrorList {
	t := c.TrafficRouting
	needed := uses(t, "gatewayAPI", "nginx", "smi", "ambassador", "appMesh", "traefik", "apisix")
	if t != nil {
		_, builtIn := t.Plugins[v1alpha1.PluginGatewayAPI]
		needed = needed || builtIn
	}
	if c.PingPong == nil {
		needed = needed || uses(t, "alb") || uses(t, "istio") && t.Istio.DestinationRule == nil
	}
	if !needed {
		return nil
	}
	var errs field.ErrorList
	if c.StableService == "" {
		errs = append(errs, field.Invalid(at.Child("stableService"), "", "the router needs stableService and canaryService"))
	}
	if c.CanaryService == "" {
		errs = append(errs, field.Invalid(at.Child("canaryService"), "", "the router needs stableService and canaryService"))
	}
	return errs
}

func checkRouterOnlyFields(c *v1alpha1.CanaryStrategy, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if c.ScaleDownDelaySeconds != nil && c.TrafficRouting == nil {
		errs = append(errs, field.Invalid(at.Child("scaleDownDelaySeconds"), *c.ScaleDownDelaySeconds, "has a meaning only with trafficRouting"))
	}
	if !c.DynamicStableScale {
		return errs
	}
	if c.TrafficRouting == nil {
		errs = append(errs, field.Invalid(at.Child("dynamicStableScale"), true, "has a meaning only with trafficRouting"))
	} else if c.ScaleDownDelaySeconds != nil {
		errs = append(errs, field.Invalid(at.Child("dynamicStableScale"), true, "cannot be used together with scaleDownDelaySeconds"))
	}
	return errs
}

func checkMaxTrafficWeight(t *v1alpha1.RolloutTrafficRouting, at *field.Path) field.ErrorList {
	if t == nil || t.MaxTrafficWeight == nil {
		return nil
	}
	if *t.MaxTrafficWeight < 1 {
		return field.ErrorList{field.Invalid(at, *t.MaxTrafficWeight, "must be at least 1")}
	}
	if !uses(t, "nginx", "plugins", "gatewayAPI") {
		return field.ErrorList{field.Invalid(at, *t.MaxTrafficWeight, "is known only to the routers gatewayAPI, nginx and plugins")}
	}
	return nil
}
