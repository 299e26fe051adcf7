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
	// Held is the canary weight that the routes hold, of HeldOf in all; Data of DataOf is what the data plane does, which follows when Program
	// is called. Without a total it is that of the Rollout.
	Held, HeldOf, Data, DataOf int32
	// Additional are the shares of experiments that the routes hold; the slice is never changed, only replaced.
	// Reached are those that the data plane has taken over.
	Additional, Reached []trafficrouting.Share
	// Managed are the managed routes that the routes hold; Followed are those that the data plane has taken over.
	Managed, Followed Managed
	// Frozen keeps the data plane from following the routes.
	Frozen bool
	// Trouble says why one of the routes cannot be read or used, empty if all can: what is held is then what the others do.
	// Unreadable is true when none of them can be read.
	Trouble    string
	Unreadable bool
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
		s.Data, s.DataOf, s.Followed, s.Reached, s.Confirmed = s.Held, s.HeldOf, s.Managed, s.Additional, true
	}
}

// Reaches are the shares of experiments by which requests may be sent before anything is observed again: a gateway that has not confirmed the
// routes may follow them at any instant.
func (s *Routes) Reaches() []trafficrouting.Share {
	if s.Reports && !s.Confirmed {
		return slices.Concat(s.Reached, s.Additional)
	}
	return s.Reached
}

// Apply writes a split into the routes.
func (s *Routes) Apply(split trafficrouting.Split) {
	s.Held, s.HeldOf, s.Additional = split.Canary.Weight, split.Canary.Weight+split.Stable.Weight, nil
	for _, share := range split.Additional {
		s.HeldOf += share.Weight
		if share.Weight > 0 {
			s.Additional = append(s.Additional, share)
		}
	}
	s.Managed, s.Confirmed = Managed{Headers: split.Headers, Mirrors: split.Mirrors}, false
}

// Sent is the canary weight by which requests are really divided, on the scale of the Rollout, and rounded up.
func (s *Routes) Sent(r *v1alpha1.Rollout) int32 {
	_, high := onScale(s.Data, s.DataOf, v1alpha1.MaxTrafficWeight(r))
	return high
}

// onScale is a weight of so many on another scale, rounded down and up.
func onScale(weight, of, full int32) (low, high int32) {
	if of == 0 || of == full {
		return weight, weight
	}
	scaled := int64(weight) * int64(full)
	return int32(scaled / int64(of)), int32((scaled + int64(of) - 1) / int64(of))
}

// Observe reads the routes as a router does that was asked by this Rollout, which has these Experiments.
func (s *Routes) Observe(r *v1alpha1.Rollout, experiments ...v1alpha1.Experiment) trafficrouting.Observed {
	if s.Unreadable {
		return trafficrouting.Observed{}
	}
	t := trafficrouting.Observed{Confirmation: s.confirmation()}
	full := v1alpha1.MaxTrafficWeight(r)
	t.Lowest, t.Highest = onScale(s.Held, s.HeldOf, full)
	t.Exact = s.HeldOf == 0 || s.HeldOf == full
	want := strategy.Split(r, experiments...)
	for _, share := range want.Additional {
		held := slices.ContainsFunc(s.Additional, func(x trafficrouting.Share) bool { return x.Service == share.Service })
		switch same := slices.Contains(s.Additional, share); {
		case held != (share.Weight > 0) || held && !same:
			t.Exact = false
		case held:
			t.Additional = append(t.Additional, share)
		}
	}
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

// lines tell which backends and managed routes a split adds and which it removes.
func (s *Routes) lines(split trafficrouting.Split) (lines []string) {
	for _, share := range split.Additional {
		switch held := slices.ContainsFunc(s.Additional, func(x trafficrouting.Share) bool { return x.Service == share.Service }); {
		case share.Weight > 0 && !held:
			lines = append(lines, "Added backend "+share.Service)
		case share.Weight == 0 && held:
			lines = append(lines, "Removed backend "+share.Service)
		}
	}
	before, after := s.Managed.titles(), Managed{Headers: split.Headers, Mirrors: split.Mirrors}.titles()
	for _, title := range slices.Sorted(maps.Keys(after)) {
		switch was, held := before[title]; {
		case !held:
			lines = append(lines, "Added "+title)
		case !equality.Semantic.DeepEqual(was, after[title]):
			lines = append(lines, "Changed "+title)
		}
	}
	for _, title := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[title]; !stays {
			lines = append(lines, "Removed "+title)
		}
	}
	return lines
}

// titles are the managed routes by what a story calls them.
func (m Managed) titles() map[string]any {
	titles := map[string]any{}
	for _, h := range m.Headers {
		titles["header route "+h.Name] = h
	}
	for _, r := range m.Mirrors {
		titles["mirror route "+r.Name] = r
	}
	return titles
}
