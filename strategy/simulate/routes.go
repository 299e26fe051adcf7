package simulate

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// Routes are the routes of a Rollout and the data plane that follows them.
type Routes struct {
	// Held is the canary weight that the routes hold; Data is what the data plane does, which follows when Program is called.
	Held, Data int32
	// Managed are the managed routes that the routes hold; Followed are those that the data plane has taken over.
	Managed, Followed Managed
	// Frozen keeps the data plane from following the routes.
	Frozen bool
	// Reports is true when a gateway confirms routes; Confirmed whether it has confirmed what they hold.
	Reports, Confirmed bool
}

// Managed are header and mirror routes; the slices are never changed, only replaced.
type Managed struct {
	Headers []v1alpha1.SetHeaderRoute
	Mirrors []v1alpha1.SetMirrorRoute
}

// Program lets the data plane take over what the routes hold.
func (s *Routes) Program() {
	if !s.Frozen {
		s.Data, s.Followed, s.Confirmed = s.Held, s.Managed, true
	}
}

// Apply writes a split into the routes.
func (s *Routes) Apply(split trafficrouting.Split) {
	s.Held, s.Managed, s.Confirmed = split.Canary.Weight, Managed{Headers: split.Headers, Mirrors: split.Mirrors}, false
}

// Observe reads the routes as a router does that was asked by this Rollout.
func (s *Routes) Observe(r *v1alpha1.Rollout) trafficrouting.Observed {
	t := trafficrouting.Observed{Lowest: s.Held, Highest: s.Held, Exact: true, Confirmation: s.confirmation()}
	want := strategy.Split(r)
	for _, h := range s.Managed.Headers {
		if slices.ContainsFunc(want.Headers, func(x v1alpha1.SetHeaderRoute) bool { return equality.Semantic.DeepEqual(x, h) }) {
			t.Headers = append(t.Headers, h.Name)
		} else {
			t.Extra = append(t.Extra, h.Name)
		}
	}
	for _, m := range s.Managed.Mirrors {
		if slices.ContainsFunc(want.Mirrors, func(x v1alpha1.SetMirrorRoute) bool { return equality.Semantic.DeepEqual(x, m) }) {
			t.Mirrors = append(t.Mirrors, m.Name)
		} else {
			t.Extra = append(t.Extra, m.Name)
		}
	}
	return t
}

func (s *Routes) confirmation() trafficrouting.Confirmation {
	switch {
	case !s.Reports:
		return trafficrouting.Unreported
	case s.Confirmed:
		return trafficrouting.Confirmed
	}
	return trafficrouting.Pending
}

// lines tell which managed routes a split adds and which it removes.
func (s *Routes) lines(split trafficrouting.Split) (lines []string) {
	before, after := s.Managed.titles(), Managed{Headers: split.Headers, Mirrors: split.Mirrors}.titles()
	for _, title := range slices.Sorted(maps.Keys(after)) {
		if !before[title] {
			lines = append(lines, "Added "+title)
		}
	}
	for _, title := range slices.Sorted(maps.Keys(before)) {
		if !after[title] {
			lines = append(lines, "Removed "+title)
		}
	}
	return lines
}

func (m Managed) titles() map[string]bool {
	titles := map[string]bool{}
	for _, h := range m.Headers {
		titles["header route "+h.Name] = true
	}
	for _, r := range m.Mirrors {
		titles["mirror route "+r.Name] = true
	}
	return titles
}
