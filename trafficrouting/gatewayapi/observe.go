package gatewayapi

import (
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// observe says what one route holds; the zero value if that cannot be told. What it says of the weights
// is right also when the error is about managed routes.
func (s *scene) observe(rt route) (trafficrouting.Observed, error) {
	confirmation, message, err := confirm(rt)
	if err != nil {
		return trafficrouting.Observed{}, err
	}
	rules, err := s.rules(rt)
	if err != nil {
		return trafficrouting.Observed{}, err
	}
	bases, err := s.divided(rt, rules)
	if err != nil {
		return trafficrouting.Observed{}, err
	}
	var measured []trafficrouting.Observed
	for _, r := range bases {
		measured = append(measured, s.measure(rt, r))
	}
	for _, r := range rules {
		if r.owner != "" && s.holdsBoth(rt, r) {
			measured = append(measured, s.measure(rt, r)) // a mirror route divides as well
		}
	}
	o := trafficrouting.Fold(measured)
	o.Confirmation, o.Message = confirmation, message
	managed, err := s.compose(rt, rules, bases)
	s.compare(&o, rt, rules, managed)
	return o, err
}

// checkHeaders reports managed routes that no route of the Rollout would take.
func (s *scene) checkHeaders(routes []route) error {
	wanted := len(s.wantedHeaders()) + len(s.wantedMirrors())
	if wanted == 0 || len(routes) == 0 {
		return nil
	}
	for _, rt := range routes {
		if rt.headers {
			return nil
		}
	}
	return &trafficrouting.UnusableError{Route: "Rollout " + s.rollout.Namespace + "/" + s.rollout.Name,
		Problem: "none of its routes takes managed routes; set useHeaderRoutes on one of httpRoutes or grpcRoutes, or name the route as httpRoute or grpcRoute"}
}
