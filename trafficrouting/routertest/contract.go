package routertest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// Total is the maxTrafficWeight of the Rollout in every World.
const Total = 100

// World is a router and what surrounds it: at least one route that is usable and shared with other owners.
type World struct {
	Router  trafficrouting.Router
	Rollout *v1alpha1.Rollout
	// Stable and Canary are the Services that share the traffic.
	Stable, Canary string
	// Writes is the number of writes so far that the router has tried.
	Writes func() int
	// Foreign is everything in the routes that the router does not own, in a form in which every byte counts.
	Foreign func() string
	// EditWeights is somebody else who changes a weight that the router manages.
	EditWeights func()
	// EditForeign is somebody else who changes something that the router does not own.
	EditForeign func()
	// BeforeWrite lets something happen right before the next write reaches the world.
	BeforeWrite func(func())
	// Remove takes the routes away.
	Remove func()
	// Header and Mirror are managed routes that the Rollout allows, and EditManaged is somebody else who changes one of them
	// and removes the other; all are nil where routes of this kind know nothing like it.
	Header      *v1alpha1.SetHeaderRoute
	Mirror      *v1alpha1.SetMirrorRoute
	EditManaged func()
}

// Setup makes a fresh World.
type Setup func(t *testing.T) World

// Contract runs the contract, each part in a World of its own.
func Contract(t *testing.T, setup Setup) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*testing.T, World)
	}{
		{"a split is observed once it has been applied", holdsWhatWasApplied},
		{"a split that holds already is not written again", writesNothingTwice},
		{"a change of a weight by somebody else is noticed and put right", putsWeightsRight},
		{"what belongs to others stays as it is", leavesForeignAlone},
		{"an edit between reading and writing is not lost", losesNoEdit},
		{"a missing route is unusable and not written", reportsMissingRoutes},
		{"a split that does not add up is refused", refusesBrokenSplits},
		{"a rollout without a router is not handled", handlesOnlyItsOwn},
		{"managed routes are held, put right and removed, and nothing else with them", holdsManagedRoutes},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, setup(t)) })
	}
}

func (w World) split(canary int32) trafficrouting.Split {
	return trafficrouting.Split{
		Stable: trafficrouting.Share{Service: w.Stable, Weight: Total - canary},
		Canary: trafficrouting.Share{Service: w.Canary, Weight: canary},
	}
}

func (w World) apply(t *testing.T, s trafficrouting.Split) {
	t.Helper()
	if err := w.Router.Apply(t.Context(), w.Rollout, s); err != nil {
		t.Fatalf("applying the split: %v", err)
	}
}

func (w World) observe(t *testing.T, s trafficrouting.Split) trafficrouting.Observed {
	t.Helper()
	o, err := w.Router.Observe(t.Context(), w.Rollout, s)
	if err != nil {
		t.Fatalf("observing the routes: %v", err)
	}
	return o
}

// expect checks that exactly this split holds.
func (w World) expect(t *testing.T, s trafficrouting.Split) {
	t.Helper()
	o := w.observe(t, s)
	got := fmt.Sprintf("canary %d to %d of %d, exact %v, extra %q", o.Lowest, o.Highest, Total, o.Exact, o.Extra)
	want := fmt.Sprintf("canary %d to %d of %d, exact true, extra []", s.Canary.Weight, s.Canary.Weight, Total)
	if got != want {
		t.Fatalf("the routes hold %s; want %s", got, want)
	}
}

func holdsWhatWasApplied(t *testing.T, w World) {
	for _, canary := range []int32{0, 1, 33, 50, 99, Total, 10, 0} {
		w.apply(t, w.split(canary))
		w.expect(t, w.split(canary))
	}
}

func writesNothingTwice(t *testing.T, w World) {
	w.apply(t, w.split(20))
	before := w.Writes()
	if before == 0 {
		t.Fatal("the first write was not counted, so this test could not fail")
	}
	w.apply(t, w.split(20))
	if n := w.Writes() - before; n != 0 {
		t.Fatalf("%d writes for a split that held already", n)
	}
}

func putsWeightsRight(t *testing.T, w World) {
	w.apply(t, w.split(20))
	w.EditWeights()
	if o := w.observe(t, w.split(20)); o.Exact && o.Lowest == 20 && o.Highest == 20 {
		t.Fatalf("the edit was not noticed: %+v", o)
	}
	w.apply(t, w.split(20))
	w.expect(t, w.split(20))
}

func leavesForeignAlone(t *testing.T, w World) {
	before := w.Foreign()
	for _, canary := range []int32{20, Total, 0} {
		w.apply(t, w.split(canary))
		if diff := cmp.Diff(before, w.Foreign()); diff != "" {
			t.Fatalf("weight %d changed what belongs to others (-before +after):\n%s", canary, diff)
		}
	}
}

func losesNoEdit(t *testing.T, w World) {
	before := w.Foreign()
	var edited string
	w.BeforeWrite(func() {
		w.EditForeign()
		edited = w.Foreign()
	})
	w.apply(t, w.split(20))
	if edited == before {
		t.Fatal("the edit changed nothing, so this test could not fail")
	}
	if diff := cmp.Diff(edited, w.Foreign()); diff != "" {
		t.Fatalf("the edit was overwritten (-edited +after):\n%s", diff)
	}
	w.expect(t, w.split(20))
}

func reportsMissingRoutes(t *testing.T, w World) {
	w.Remove()
	if _, err := w.Router.Observe(t.Context(), w.Rollout, w.split(20)); !trafficrouting.IsUnusable(err) {
		t.Errorf("observing gave %v, want an UnusableError", err)
	}
	if err := w.Router.Apply(t.Context(), w.Rollout, w.split(20)); !trafficrouting.IsUnusable(err) {
		t.Errorf("applying gave %v, want an UnusableError", err)
	}
	if n := w.Writes(); n != 0 {
		t.Errorf("%d writes to routes that do not exist", n)
	}
}

func refusesBrokenSplits(t *testing.T, w World) {
	for name, change := range map[string]func(*trafficrouting.Split){
		"too much":   func(s *trafficrouting.Split) { s.Canary.Weight++ },
		"too little": func(s *trafficrouting.Split) { s.Stable.Weight-- },
		"negative":   func(s *trafficrouting.Split) { s.Canary.Weight, s.Stable.Weight = -1, Total+1 },
		"no Service": func(s *trafficrouting.Split) { s.Canary.Service = "" },
	} {
		s := w.split(20)
		change(&s)
		if err := w.Router.Apply(t.Context(), w.Rollout, s); err == nil {
			t.Errorf("a split with %s was accepted", name)
		}
	}
	if n := w.Writes(); n != 0 {
		t.Errorf("%d writes for splits that do not add up", n)
	}
}

func handlesOnlyItsOwn(t *testing.T, w World) {
	if !w.Router.Handles(w.Rollout) {
		t.Error("the router does not handle the Rollout of its own world")
	}
	if w.Router.Handles(&v1alpha1.Rollout{}) {
		t.Error("the router handles a Rollout that names no router")
	}
}

func holdsManagedRoutes(t *testing.T, w World) {
	if w.EditManaged == nil {
		if w.Header != nil || w.Mirror != nil {
			t.Fatal("the world has managed routes, but nobody who edits them")
		}
		return
	}
	before := w.Foreign()
	full := w.split(20)
	full.Headers, full.Mirrors = []v1alpha1.SetHeaderRoute{*w.Header}, []v1alpha1.SetMirrorRoute{*w.Mirror}
	expectManaged := func(when string) {
		t.Helper()
		w.apply(t, full)
		w.expect(t, full)
		o := w.observe(t, full)
		if diff := cmp.Diff([][]string{{w.Header.Name}, {w.Mirror.Name}}, [][]string{o.Headers, o.Mirrors}); diff != "" {
			t.Fatalf("%s the managed routes are not in place (-want +got):\n%s", when, diff)
		}
		if diff := cmp.Diff(before, w.Foreign()); diff != "" {
			t.Fatalf("%s something of others has changed (-before +after):\n%s", when, diff)
		}
	}
	expectManaged("at first")
	writes := w.Writes()
	expectManaged("a second time")
	if n := w.Writes() - writes; n != 0 {
		t.Fatalf("%d writes for managed routes that were in place", n)
	}
	full = w.with(full, 60)
	expectManaged("at another weight")
	w.EditManaged()
	if o := w.observe(t, full); len(o.Headers)+len(o.Mirrors) != 0 {
		t.Fatalf("the edit of the managed routes was not noticed: %+v", o)
	}
	expectManaged("after an edit")
	w.apply(t, w.split(60))
	w.expect(t, w.split(60))
	if diff := cmp.Diff(before, w.Foreign()); diff != "" {
		t.Fatalf("the removal has taken something of others (-before +after):\n%s", diff)
	}
}

func (w World) with(s trafficrouting.Split, canary int32) trafficrouting.Split {
	s.Stable.Weight, s.Canary.Weight = Total-canary, canary
	return s
}
