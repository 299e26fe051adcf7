package strategy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

func TestTrafficMovesOnlyAsFarAsPodsCarryIt(t *testing.T) {
	abort := status(func(s *v1alpha1.RolloutStatus) {
		s.Abort, s.AbortedAt = true, ptr.To((&Observation{Now: noon}).clock())
	})
	for name, c := range map[string]struct {
		change []func(*Observation)
		want   *int32 // nil: the routes stay as they are
	}{
		"nothing is sent to a canary without pods":                      {nil, nil},
		"the first weight follows its pods":                             {[]func(*Observation){pods("new", 2, 2)}, ptr.To[int32](20)},
		"a canary that is not whole yet gets nothing":                   {[]func(*Observation){pods("new", 2, 1)}, nil},
		"a weight waits for the pods of its step":                       {[]func(*Observation){step(2), held(20), pods("new", 6, 4)}, nil},
		"the pods of the step are there":                                {[]func(*Observation){step(2), held(20), pods("new", 6, 6)}, ptr.To[int32](60)},
		"a canary that lost every pod loses its traffic":                {[]func(*Observation){step(1), held(20), pods("new", 2, 0)}, ptr.To[int32](0)},
		"a canary that lost some pods keeps its traffic":                {[]func(*Observation){step(3), held(60), pods("new", 6, 3)}, nil},
		"what came back is given only what it carries":                  {[]func(*Observation){step(3), held(0), pods("new", 6, 3)}, ptr.To[int32](30)},
		"an edited route is put right":                                  {[]func(*Observation){step(1), held(70), pods("new", 2, 2)}, ptr.To[int32](20)},
		"an abort takes everything away at once":                        {[]func(*Observation){abort, step(0), held(60), pods("new", 6, 6)}, ptr.To[int32](0)},
		"an abort gives a broken stable revision only what it can take": {[]func(*Observation){abort, step(0), held(60), pods("new", 6, 6), pods("old", 10, 5)}, ptr.To[int32](30)},
		"an abort changes nothing where no stable pod answers":          {[]func(*Observation){abort, step(0), held(60), pods("new", 6, 6), pods("old", 10, 0)}, nil},
		"a canary Service that points elsewhere gets no weight":         {[]func(*Observation){step(1), held(20), pods("new", 2, 2), func(o *Observation) { o.Canary.Hash = "old" }}, ptr.To[int32](0)},
		"a user's pause holds the weight of the step before":            {[]func(*Observation){pods("new", 2, 2), spec(func(s *v1alpha1.RolloutSpec) { s.Paused = true })}, nil},
		"an invalid spec leaves the weight as it is":                    {[]func(*Observation){step(1), held(35), pods("new", 2, 2), func(o *Observation) { o.Invalid = "wrong" }}, nil},
		"routes that cannot be read are not written":                    {[]func(*Observation){pods("new", 2, 2), func(o *Observation) { o.TrafficError = "HTTPRoute web is missing" }}, nil},
		"an abort reaches the routes that can be reached":               {[]func(*Observation){abort, step(0), held(60), pods("new", 6, 6), unusable}, ptr.To[int32](0)},
		"a canary that lost every pod loses what can be reached":        {[]func(*Observation){step(1), held(20), pods("new", 2, 0), unusable}, ptr.To[int32](0)},
		"nothing is raised while a route is unusable":                   {[]func(*Observation){step(2), held(20), pods("new", 6, 6), unusable}, nil},
		"an abort changes nothing where no route can be read": {[]func(*Observation){abort, step(0), pods("new", 6, 6), unusable, func(o *Observation) {
			o.Traffic = trafficrouting.Observed{}
		}}, nil},
		"an abort is complete where all reachable routes hold it": {[]func(*Observation){abort, step(0), held(0), pods("new", 6, 6), unusable}, nil},
		"an abort removes managed routes that can be reached":     {[]func(*Observation){abort, step(0), held(0), holding("testers"), pods("new", 6, 6), unusable}, ptr.To[int32](0)},
		"requests leave a canary Service that somebody deleted":   {[]func(*Observation){step(1), held(20), pods("new", 2, 2), without("canary")}, ptr.To[int32](0)},
		"they leave it also when the update is aborted":           {[]func(*Observation){abort, step(0), held(60), pods("new", 6, 6), without("canary")}, ptr.To[int32](0)},
		"and when the update is complete but for the stable Service": {[]func(*Observation){step(4), held(100), pods("new", 10, 10), without("canary"), status(func(s *v1alpha1.RolloutStatus) {
			s.StableRS = "new"
		})}, ptr.To[int32](0)},
		"they do not go to a stable revision without a pod":              {[]func(*Observation){step(1), held(20), pods("new", 2, 2), pods("old", 10, 0), without("canary")}, nil},
		"a missing stable Service keeps the routes from being written":   {[]func(*Observation){abort, step(0), held(60), pods("new", 6, 6), without("stable")}, nil},
		"a missing Service keeps the routes from being written":          {[]func(*Observation){pods("new", 2, 2), func(o *Observation) { o.Canary.Exists = false }}, nil},
		"all steps done and every pod there, everything goes to the new": {[]func(*Observation){step(4), held(60), pods("new", 10, 10)}, ptr.To[int32](100)},
	} {
		t.Run(name, func(t *testing.T) {
			plan := Decide(*seen(t, behindRoute, c.change...))
			var got *int32
			if plan.Traffic != nil {
				got = &plan.Traffic.Split.Canary.Weight
				if sum := *got + plan.Traffic.Split.Stable.Weight; sum != 100 {
					t.Errorf("the weights sum up to %d", sum)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("canary weight to write, -want +got:\n%s", diff)
			}
		})
	}
}

// unusable says that one of several routes cannot be used; what is held is that of the others.
func unusable(o *Observation) { o.TrafficError = "HTTPRoute other: it does not exist" }

// without deletes a Service, by which the spec becomes invalid.
func without(service string) func(*Observation) {
	return func(o *Observation) {
		o.Invalid = "there is no Service " + service
		for _, s := range []*Service{&o.Stable, &o.Canary} {
			if s.Name == service {
				*s = Service{Name: service}
			}
		}
	}
}

func TestServicesArePointedOnlyAtWhatCarriesThem(t *testing.T) {
	for name, c := range map[string]struct {
		change []func(*Observation)
		want   []string
	}{
		"a canary Service without weight follows the first available pod": {[]func(*Observation){pods("new", 2, 1), func(o *Observation) { o.Canary.Hash = "old" }}, []string{"canary new"}},
		"a canary Service with weight stays":                              {[]func(*Observation){pods("new", 2, 1), held(20), func(o *Observation) { o.Canary.Hash = "old" }}, nil},
		"a canary Service stays while the weight is not confirmed": {[]func(*Observation){pods("new", 2, 1), func(o *Observation) {
			o.Canary.Hash, o.Traffic.Confirmation = "old", trafficrouting.Pending
		}}, nil},
		"an edited stable Service is put back":                      {[]func(*Observation){func(o *Observation) { o.Stable.Hash = "new" }}, []string{"stable old"}},
		"a Service of nobody is adopted once the revision is whole": {[]func(*Observation){func(o *Observation) { o.Stable.Hash, o.Stable.Managed = "", false }}, []string{"stable old"}},
		"a Service of nobody waits for the last pod":                {[]func(*Observation){pods("old", 10, 9), func(o *Observation) { o.Stable.Hash, o.Stable.Managed = "", false }}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range Decide(*seen(t, behindRoute, c.change...)).Point {
				got = append(got, p.Service+" "+p.Hash)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("Services to switch, -want +got:\n%s", diff)
			}
		})
	}
}

func TestAStepIsDoneOnlyWhenTheRoutesWereSeenToHoldIt(t *testing.T) {
	for name, c := range map[string]struct {
		change []func(*Observation)
		done   bool
	}{
		"held and confirmed":           {[]func(*Observation){held(20)}, true},
		"held and nobody reports":      {[]func(*Observation){held(20), func(o *Observation) { o.Traffic.Confirmation = trafficrouting.Unreported }}, true},
		"held and not yet confirmed":   {[]func(*Observation){held(20), func(o *Observation) { o.Traffic.Confirmation = trafficrouting.Pending }}, false},
		"only some rules hold it":      {[]func(*Observation){held(20), func(o *Observation) { o.Traffic.Exact = false }}, false},
		"another weight is held":       {[]func(*Observation){held(10)}, false},
		"a route could not be read":    {[]func(*Observation){held(20), func(o *Observation) { o.TrafficError = "gone" }}, false},
		"the Service points elsewhere": {[]func(*Observation){held(20), func(o *Observation) { o.Canary.Hash = "old" }}, false},
		"a pod is missing":             {[]func(*Observation){held(20), pods("new", 2, 1)}, false},
		"the spec is invalid":          {[]func(*Observation){held(20), func(o *Observation) { o.Invalid = "wrong" }}, false},
	} {
		t.Run(name, func(t *testing.T) {
			plan := Decide(*seen(t, behindRoute, append([]func(*Observation){pods("new", 2, 2)}, c.change...)...))
			if got := *plan.Status.CurrentStepIndex == 1; got != c.done {
				t.Errorf("step done: %t, want %t", got, c.done)
			}
		})
	}
}
