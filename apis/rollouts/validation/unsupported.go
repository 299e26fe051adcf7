package validation

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Unsupported names every part of a Rollout that this controller does not do yet, because a part that is silently left out could
// release a bad version. Its paths are those of the manifest. Whoever builds a feature removes its row below.
func Unsupported(r *v1alpha1.Rollout) field.ErrorList {
	var errs field.ErrorList
	for _, missing := range notBuilt {
		for _, at := range missing.in(r) {
			errs = append(errs, field.Forbidden(at, missing.what+" cannot be used yet; remove it"))
		}
	}
	return errs
}

// finder lists the places of a Rollout that use a feature.
type finder func(*v1alpha1.Rollout) []*field.Path

var notBuilt = []struct {
	what string
	in   finder
}{
	{"a step of the kind plugin", steps("plugin", func(s v1alpha1.CanaryStep) bool { return s.Plugin != nil })},
	{"a pair of Services that swap roles", canary("pingPong", func(c v1alpha1.CanaryStrategy) bool { return c.PingPong != nil })},
	{"the router istio", router("istio")},
	{"the router nginx", router("nginx")},
	{"the router alb", router("alb")},
	{"the router smi", router("smi")},
	{"the router ambassador", router("ambassador")},
	{"the router appMesh", router("appMesh")},
	{"the router traefik", router("traefik")},
	{"the router apisix", router("apisix")},
	{"a router plugin other than " + v1alpha1.PluginGatewayAPI, foreignPlugins},
	{"traffic routing without a router", func(r *v1alpha1.Rollout) []*field.Path {
		return when(v1alpha1.HasRouter(r) && !uses(r.Spec.Strategy.Canary.TrafficRouting, allRouters...), "strategy", "canary", "trafficRouting")
	}},
}

var allRouters = []string{"gatewayAPI", "plugins", "istio", "nginx", "alb", "smi", "ambassador", "appMesh", "traefik", "apisix"}

// when gives a path below spec.
func when(used bool, path ...string) []*field.Path {
	if !used {
		return nil
	}
	return []*field.Path{field.NewPath("spec", path...)}
}

func canary(name string, used func(v1alpha1.CanaryStrategy) bool) finder {
	return func(r *v1alpha1.Rollout) []*field.Path {
		c := r.Spec.Strategy.Canary
		return when(c != nil && used(*c), "strategy", "canary", name)
	}
}

func router(name string) finder {
	return func(r *v1alpha1.Rollout) []*field.Path {
		return when(v1alpha1.HasRouter(r) && uses(r.Spec.Strategy.Canary.TrafficRouting, name), "strategy", "canary", "trafficRouting", name)
	}
}

func steps(name string, used func(v1alpha1.CanaryStep) bool) finder {
	return func(r *v1alpha1.Rollout) []*field.Path {
		if r.Spec.Strategy.Canary == nil {
			return nil
		}
		var found []*field.Path
		for i, s := range r.Spec.Strategy.Canary.Steps {
			if used(s) {
				found = append(found, field.NewPath("spec", "strategy", "canary", "steps").Index(i).Child(name))
			}
		}
		return found
	}
}

func foreignPlugins(r *v1alpha1.Rollout) []*field.Path {
	if !v1alpha1.HasRouter(r) {
		return nil
	}
	var found []*field.Path
	for _, name := range slices.Sorted(maps.Keys(r.Spec.Strategy.Canary.TrafficRouting.Plugins)) {
		if name != v1alpha1.PluginGatewayAPI {
			found = append(found, field.NewPath("spec", "strategy", "canary", "trafficRouting", "plugins").Key(name))
		}
	}
	return found
}
