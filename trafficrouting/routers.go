package trafficrouting

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Routers are all routers of the controller. Together they are one Router that asks those which handle a Rollout;
// a Rollout that none handles is not routed.
type Routers []Router

// Handles reports whether any router handles the Rollout.
func (s Routers) Handles(r *v1alpha1.Rollout) bool {
	return slices.ContainsFunc(s, func(router Router) bool { return router.Handles(r) })
}

// Observe folds what all routers observe that handle the Rollout.
func (s Routers) Observe(ctx context.Context, r *v1alpha1.Rollout, want Split) (Observed, error) {
	var seen []Observed
	var errs []error
	for _, router := range s {
		if !router.Handles(r) {
			continue
		}
		o, err := router.Observe(ctx, r, want)
		errs = append(errs, err)
		if o.Confirmation != "" {
			seen = append(seen, o)
		}
	}
	return Fold(seen), errors.Join(errs...)
}

// Apply makes every router hold the Split that handles the Rollout.
func (s Routers) Apply(ctx context.Context, r *v1alpha1.Rollout, want Split) error {
	var errs []error
	for _, router := range s {
		if router.Handles(r) {
			errs = append(errs, router.Apply(ctx, r, want))
		}
	}
	return errors.Join(errs...)
}

// Fold makes one observation of those of several routes: it claims only what is true of every one of them, and a
// managed route that only some of them hold is extra.
// Of none at all nothing is known, and Confirmation stays empty.
func Fold(seen []Observed) Observed {
	if len(seen) == 0 {
		return Observed{}
	}
	all := seen[0]
	var held []string
	for _, o := range seen[1:] {
		all.Lowest, all.Highest = min(all.Lowest, o.Lowest), max(all.Highest, o.Highest)
		all.Exact = all.Exact && o.Exact
		all.Additional = common(all.Additional, o.Additional)
		all.Extra = slices.Concat(all.Extra, o.Extra)
		held = slices.Concat(held, all.Headers, all.Mirrors, o.Headers, o.Mirrors)
		all.Headers, all.Mirrors = common(all.Headers, o.Headers), common(all.Mirrors, o.Mirrors)
		all.Confirmation = furthestBehind(all.Confirmation, o.Confirmation)
		all.Message = joinMessages(all.Message, o.Message)
	}
	all.Exact = all.Exact && all.Lowest == all.Highest
	everywhere := slices.Concat(all.Headers, all.Mirrors)
	held = slices.DeleteFunc(held, func(name string) bool { return slices.Contains(everywhere, name) })
	all.Extra = slices.Concat(all.Extra, held)
	slices.Sort(all.Extra)
	all.Extra = slices.Compact(all.Extra)
	return all
}

// common keeps what is in both, in the order of the first.
func common[T comparable](a, b []T) []T {
	var both []T
	for _, item := range a {
		if slices.Contains(b, item) {
			both = append(both, item)
		}
	}
	return both
}

// furthestBehind ranks a parent that says no below one that says nothing.
func furthestBehind(a, b Confirmation) Confirmation {
	for _, c := range []Confirmation{Pending, Unreported} {
		if a == c || b == c {
			return c
		}
	}
	return Confirmed
}

func joinMessages(messages ...string) string {
	return strings.Join(slices.DeleteFunc(messages, func(m string) bool { return m == "" }), "; ")
}
