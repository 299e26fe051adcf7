package trafficrouting

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Share is the part of the traffic that one Service gets; Weight counts in the unit of the Split's total.
type Share struct {
	Service string
	Weight  int32
}

// Split is a division of the traffic between the revisions of one Rollout.
// The total is the sum of all weights and equals maxTrafficWeight of the Rollout (100 unless set).
type Split struct {
	Stable, Canary Share
	// Additional are the shares of experiments. One with weight 0 is over: its Service is taken out of the routes,
	// because the router cannot tell a leftover of an experiment from a backend of the user by itself.
	Additional []Share
	// Headers and Mirrors are the managed routes; none means that none may exist, and so does one without a match.
	// Their precedence is that of managedRoutes in the Rollout.
	Headers []v1alpha1.SetHeaderRoute
	Mirrors []v1alpha1.SetMirrorRoute
}

// Check reports what keeps the Split from dividing total: a missing or repeated Service, a weight below 0 or another sum.
func (s Split) Check(total int32) error {
	sum := int64(0)
	var names []string
	for _, share := range s.shares() {
		if share.Service == "" {
			return errors.New("checking the traffic split: a share names no Service; set canaryService and stableService in spec.strategy.canary")
		}
		if slices.Contains(names, share.Service) {
			return fmt.Errorf("checking the traffic split: Service %s has two shares; every share needs a Service of its own", share.Service)
		}
		if share.Weight < 0 {
			return fmt.Errorf("checking the traffic split: Service %s has the weight %d, which is below 0", share.Service, share.Weight)
		}
		names = append(names, share.Service)
		sum += int64(share.Weight)
	}
	if total <= 0 || sum != int64(total) {
		return fmt.Errorf("checking the traffic split: the weights sum up to %d and not to maxTrafficWeight %d", sum, total)
	}
	return nil
}

func (s Split) shares() []Share { return append([]Share{s.Stable, s.Canary}, s.Additional...) }

// Confirmation tells whether whoever programs the data plane has taken over what the routes say.
type Confirmation string

const (
	// Confirmed means that every parent accepted the newest generation of every route.
	Confirmed Confirmation = "Confirmed"
	// Pending means that a parent reports a status, but not yet a good one for the newest generation.
	Pending Confirmation = "Pending"
	// Unreported means that no parent reports at all; the routes themselves are then the only truth.
	Unreported Confirmation = "Unreported"
)

// Observed is what all routes of a Rollout hold at this moment, folded into one.
type Observed struct {
	// Lowest and Highest are the canary's weight in the rule where it is lowest and where it is highest, on the scale
	// from 0 to the Rollout's maxTrafficWeight; they differ while routes are being changed or somebody else edits them.
	// Highest is rounded up and Lowest down, so that neither side's demand is ever understated.
	Lowest, Highest int32
	// Exact is true when every managed rule holds exactly the weights that a Split with this canary weight asks for.
	Exact bool
	// Additional are the weights of experiments that every route holds.
	Additional []Share
	// Headers and Mirrors are the names of the managed routes that are fully in place, in their order of precedence.
	Headers, Mirrors []string
	// Extra are managed routes that exist somewhere but are incomplete, altered, out of order, not asked for, or not held by
	// every route that takes them. A name that is in none of the three lists exists nowhere.
	Extra []string
	// Confirmation is that of the route which is furthest behind; empty when no route could be observed.
	Confirmation Confirmation
	// Message says for people which route is not confirmed and why; empty when all are.
	Message string
}

// Router holds a Split in some kind of route. Implementations write nothing else than what a Split says.
type Router interface {
	// Handles reports whether the Rollout asks for this router.
	Handles(*v1alpha1.Rollout) bool
	// Observe reads what the world holds. want says which Services share the traffic, which experiments take part and
	// which managed routes should exist; its weights of stable and canary do not matter.
	// A missing or unusable route is an *UnusableError; Observed then tells what the other routes hold, and whoever decides
	// must not take anything away from either side, because the route at fault may send it any share.
	Observe(ctx context.Context, r *v1alpha1.Rollout, want Split) (Observed, error)
	// Apply makes the world hold the Split. It is idempotent, writes nothing when nothing differs,
	// and each write is conditional on what was read just before. A route that fails does not keep the others from being written,
	// so that an abort reaches every route that can be reached.
	Apply(ctx context.Context, r *v1alpha1.Rollout, want Split) error
}

// UnusableError says that a route cannot carry a Split as it stands, and what to do about it. A retry does not help before somebody mends it.
type UnusableError struct {
	// Route is the kind and name, such as "HTTPRoute shop/web".
	Route string
	// Problem is a sentence for people.
	Problem string
}

func (e *UnusableError) Error() string { return e.Route + ": " + e.Problem }

// IsUnusable reports whether an error consists of nothing but UnusableErrors, so that only somebody's edit can help.
func IsUnusable(err error) bool {
	switch e := err.(type) { //nolint:errorlint // the tree is walked by hand, because one retryable branch makes the whole retryable
	case nil:
		return false
	case *UnusableError:
		return true
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(cause error) bool { return !IsUnusable(cause) })
	default:
		return IsUnusable(errors.Unwrap(err))
	}
}
