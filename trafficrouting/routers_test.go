package trafficrouting_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// router answers what it was told to and remembers what was applied.
type router struct {
	handles bool
	holds   trafficrouting.Observed
	err     error
	applied []trafficrouting.Split
}

func (f *router) Handles(*v1alpha1.Rollout) bool { return f.handles }

func (f *router) Observe(context.Context, *v1alpha1.Rollout, trafficrouting.Split) (trafficrouting.Observed, error) {
	return f.holds, f.err
}

func (f *router) Apply(_ context.Context, _ *v1alpha1.Rollout, s trafficrouting.Split) error {
	f.applied = append(f.applied, s)
	return f.err
}

func exactly(canary int32) trafficrouting.Observed {
	return trafficrouting.Observed{Lowest: canary, Highest: canary, Exact: true, Confirmation: trafficrouting.Confirmed}
}

func TestFoldClaimsOnlyWhatIsTrueOfEveryRoute(t *testing.T) {
	share := trafficrouting.Share{Service: "experiment", Weight: 5}
	for _, c := range []struct {
		name string
		seen []trafficrouting.Observed
		want trafficrouting.Observed
	}{
		{"nothing was observed", nil, trafficrouting.Observed{}},
		{"one route stays what it is", []trafficrouting.Observed{exactly(10)}, exactly(10)},
		{"two that agree", []trafficrouting.Observed{exactly(10), exactly(10)}, exactly(10)},
		{"two that differ are not exact", []trafficrouting.Observed{exactly(10), exactly(30)},
			trafficrouting.Observed{Lowest: 10, Highest: 30, Confirmation: trafficrouting.Confirmed}},
		{"what only one holds is not held", []trafficrouting.Observed{
			{Exact: true, Confirmation: trafficrouting.Confirmed, Headers: []string{"a", "b"}, Mirrors: []string{"m"}, Additional: []trafficrouting.Share{share}, Extra: []string{"x"}},
			{Exact: true, Confirmation: trafficrouting.Confirmed, Headers: []string{"b"}, Extra: []string{"w", "x"}}},
			trafficrouting.Observed{Exact: true, Confirmation: trafficrouting.Confirmed, Headers: []string{"b"}, Extra: []string{"a", "m", "w", "x"}}},
		{"what all hold may be left over in one of them", []trafficrouting.Observed{
			{Exact: true, Confirmation: trafficrouting.Confirmed, Headers: []string{"a"}}, {Exact: true, Confirmation: trafficrouting.Confirmed, Headers: []string{"a"}, Extra: []string{"a"}}},
			trafficrouting.Observed{Exact: true, Confirmation: trafficrouting.Confirmed, Headers: []string{"a"}, Extra: []string{"a"}}},
		{"a parent that reports nothing is behind one that agrees", []trafficrouting.Observed{exactly(0), {Exact: true, Confirmation: trafficrouting.Unreported}},
			trafficrouting.Observed{Exact: true, Confirmation: trafficrouting.Unreported}},
		{"a parent that refuses is furthest behind", []trafficrouting.Observed{
			{Exact: true, Confirmation: trafficrouting.Pending, Message: "one"}, {Exact: true, Confirmation: trafficrouting.Unreported}, {Exact: true, Confirmation: trafficrouting.Pending, Message: "two"}},
			trafficrouting.Observed{Exact: true, Confirmation: trafficrouting.Pending, Message: "one; two"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, trafficrouting.Fold(c.seen)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRoutersAskOnlyThoseThatHandleTheRollout(t *testing.T) {
	ours, other := &router{handles: true, holds: exactly(10)}, &router{holds: exactly(90)}
	rs := trafficrouting.Routers{other, ours}
	if !rs.Handles(nil) || (trafficrouting.Routers{other}).Handles(nil) || (trafficrouting.Routers{}).Handles(nil) {
		t.Error("Handles does not say whether any router handles the Rollout")
	}
	got, err := rs.Observe(t.Context(), nil, trafficrouting.Split{})
	if diff := cmp.Diff(exactly(10), got); err != nil || diff != "" {
		t.Errorf("observed with error %v (-want +got):\n%s", err, diff)
	}
	if err := rs.Apply(t.Context(), nil, trafficrouting.Split{}); err != nil || len(ours.applied) != 1 || len(other.applied) != 0 {
		t.Errorf("applied %d and %d times with error %v", len(ours.applied), len(other.applied), err)
	}
}

func TestARouterThatFailsKeepsNoOtherFromWorking(t *testing.T) {
	broken, fine := &router{handles: true, err: errors.New("no connection")}, &router{handles: true, holds: exactly(10)}
	rs := trafficrouting.Routers{broken, fine}
	got, err := rs.Observe(t.Context(), nil, trafficrouting.Split{})
	if diff := cmp.Diff(exactly(10), got); !errors.Is(err, broken.err) || diff != "" {
		t.Errorf("observed with error %v (-want +got):\n%s", err, diff)
	}
	if err := rs.Apply(t.Context(), nil, trafficrouting.Split{}); !errors.Is(err, broken.err) || len(fine.applied) != 1 {
		t.Errorf("applied %d times with error %v", len(fine.applied), err)
	}
}
