package gatewayapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// maxWeight is the highest weight that the Gateway API admits for a backend.
const maxWeight = 1_000_000

// route is one route of a Rollout as it was read; it is never changed in memory.
type route struct {
	*unstructured.Unstructured
	// headers is true when managed routes go into this route.
	headers bool
}

func (r route) String() string {
	return fmt.Sprintf("%s %s/%s", r.GetKind(), r.GetNamespace(), r.GetName())
}

func (r route) unusable(format string, args ...any) error {
	return &trafficrouting.UnusableError{Route: r.String(), Problem: fmt.Sprintf(format, args...)}
}

// matchable reports whether rules of this kind match by header, so that managed routes can exist in it.
func (r route) matchable() bool { return r.GetKind() == kindHTTP || r.GetKind() == kindGRPC }

// scene is a Split as it is to be found in any route of one Rollout.
type scene struct {
	rollout *v1alpha1.Rollout
	want    trafficrouting.Split
	total   int64
	// managed are the names of the managed routes, the first with the highest precedence.
	managed []string
}

func newScene(r *v1alpha1.Rollout, want trafficrouting.Split) (*scene, error) {
	s := &scene{rollout: r, want: want, total: int64(v1alpha1.MaxTrafficWeight(r))}
	problem := func(format string, args ...any) error {
		return &trafficrouting.UnusableError{Route: "Rollout " + r.Namespace + "/" + r.Name, Problem: fmt.Sprintf(format, args...)}
	}
	if want.Stable.Service == "" || want.Canary.Service == "" || want.Stable.Service == want.Canary.Service {
		return nil, problem("canaryService and stableService must name two Services that share the traffic")
	}
	if s.total < 1 || s.total > maxWeight {
		return nil, problem("maxTrafficWeight is %d, but the weights of a route reach from 0 to %d", s.total, maxWeight)
	}
	for _, m := range r.Spec.Strategy.Canary.TrafficRouting.ManagedRoutes {
		s.managed = append(s.managed, m.Name)
	}
	headers, mirrors := s.wantedNames()
	wanted := slices.Concat(headers, mirrors)
	for i, name := range wanted {
		if !slices.Contains(s.managed, name) {
			return nil, problem("the route %q is not in managedRoutes; add it there, so that its precedence is known", name)
		}
		if slices.Contains(wanted[:i], name) {
			return nil, problem("the managed route %q is asked for twice; give each header and mirror route a name of its own", name)
		}
	}
	return s, nil
}

// wantedHeaders are the header routes that must exist.
func (s *scene) wantedHeaders() []v1alpha1.SetHeaderRoute {
	return slices.DeleteFunc(slices.Clone(s.want.Headers), func(h v1alpha1.SetHeaderRoute) bool { return len(h.Match) == 0 })
}

// wantedMirrors are the mirror routes that must exist.
func (s *scene) wantedMirrors() []v1alpha1.SetMirrorRoute {
	return slices.DeleteFunc(slices.Clone(s.want.Mirrors), func(m v1alpha1.SetMirrorRoute) bool { return len(m.Match) == 0 })
}

// wantedNames are the names of the header and mirror routes that must exist.
func (s *scene) wantedNames() (headers, mirrors []string) {
	for _, h := range s.wantedHeaders() {
		headers = append(headers, h.Name)
	}
	for _, m := range s.wantedMirrors() {
		mirrors = append(mirrors, m.Name)
	}
	return headers, mirrors
}

// rule is one entry of spec.rules.
type rule struct {
	at   int
	body map[string]any
	// owner is the managed route that the rule belongs to; empty for a rule of the user.
	owner string
}

func (r rule) name() string {
	name, _ := r.body["name"].(string)
	return name
}

// title names the rule for people.
func (r rule) title() string {
	if r.name() != "" {
		return fmt.Sprintf("rule %d (%s)", r.at, r.name())
	}
	return fmt.Sprintf("rule %d", r.at)
}

// rules reads the rules of a route and tells whose they are.
func (s *scene) rules(rt route) ([]rule, error) {
	list, _, err := unstructured.NestedSlice(rt.Object, "spec", "rules")
	if err != nil {
		return nil, rt.unusable("spec.rules cannot be read: %v", err)
	}
	rules := make([]rule, len(list))
	for i, item := range list {
		body, ok := item.(map[string]any)
		if !ok {
			return nil, rt.unusable("spec.rules[%d] is not an object", i)
		}
		rules[i] = rule{at: i, body: body}
		if owner := s.ownerOf(rules[i].name()); owner != "" && rt.matchable() && (s.allToCanary(rt, body) || s.mirrorsToCanary(rt, body)) {
			rules[i].owner = owner
		}
	}
	return rules, nil
}

// ownerOf finds the managed route that a rule of this name would belong to: the name itself, or the name, a dash and a number.
func (s *scene) ownerOf(name string) string {
	if slices.Contains(s.managed, name) {
		return name
	}
	stem, number, found := cutLast(name, "-")
	if n, err := strconv.Atoi(number); !found || err != nil || n < 1 || strconv.Itoa(n) != number || !slices.Contains(s.managed, stem) {
		return ""
	}
	return stem
}

func cutLast(text, sep string) (before, after string, found bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}

// allToCanary is the shape of a header route: every backend is the canary Service.
func (s *scene) allToCanary(rt route, body map[string]any) bool {
	refs := objects(body["backendRefs"])
	return len(refs) > 0 && len(s.find(rt, body, s.want.Canary.Service)) == len(refs)
}

// mirrorsToCanary is the shape of a mirror route: it copies requests to the canary Service.
func (s *scene) mirrorsToCanary(rt route, body map[string]any) bool {
	return slices.ContainsFunc(objects(body["filters"]), func(filter map[string]any) bool {
		mirror, _ := filter["requestMirror"].(map[string]any)
		ref, _ := mirror["backendRef"].(map[string]any)
		return s.isService(rt, ref, s.want.Canary.Service)
	})
}

// find gives the positions of the backends of a rule that are this Service.
func (s *scene) find(rt route, body map[string]any, service string) []int {
	var at []int
	for i, ref := range objects(body["backendRefs"]) {
		if s.isService(rt, ref, service) {
			at = append(at, i)
		}
	}
	return at
}

// isService compares kind, name and namespace. The Services are those of the Rollout's namespace, whereas
// a reference without a namespace means that of the route.
func (s *scene) isService(rt route, ref map[string]any, service string) bool {
	return ref != nil && ref["name"] == service && orElse(ref["kind"], "Service") == "Service" && orElse(ref["group"], "") == "" &&
		orElse(ref["namespace"], rt.GetNamespace()) == s.rollout.Namespace
}

func orElse(value any, absent string) string {
	if text, ok := value.(string); ok && text != "" {
		return text
	}
	return absent
}

// objects views a list of objects; anything else in it becomes nil, so that positions stay.
func objects(value any) []map[string]any {
	list, _ := value.([]any)
	items := make([]map[string]any, len(list))
	for i := range list {
		items[i], _ = list[i].(map[string]any)
	}
	return items
}
