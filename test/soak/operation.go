package soak

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is what an Operation does.
type Kind string

// What users, machines and other controllers do to a Rollout. Each may come at any time, and each does nothing where it does not apply.
const (
	Release     Kind = "release a new version"
	Return      Kind = "return to the version before"
	Promote     Kind = "promote"
	PromoteFull Kind = "promote fully"
	Abort       Kind = "abort"
	Retry       Kind = "retry"
	Scale       Kind = "scale"
	// KillPod deletes a pod as kubectl delete does, with its time of grace.
	KillPod   Kind = "kill a pod"
	EditRoute Kind = "edit the route"
	// KillController ends a controller without a word, RestartController asks it to end; another is started in its place.
	KillController    Kind = "kill a controller"
	RestartController Kind = "restart a controller"
)

// often says how often a kind is drawn, of their sum.
var often = []struct {
	kind  Kind
	times int
}{
	{Release, 16}, {Return, 5}, {Promote, 26}, {PromoteFull, 6}, {Abort, 9}, {Retry, 8},
	{Scale, 8}, {KillPod, 13}, {EditRoute, 5}, {KillController, 2}, {RestartController, 2},
}

// Sizes of a Rollout between which Scale chooses.
const (
	Smallest = 5
	Largest  = 8
)

// longestRest is the longest time between two operations.
const longestRest = 600 * time.Millisecond

// Operation is one act.
type Operation struct {
	Number int
	Kind   Kind
	// On is the index of the Rollout, or of the controller.
	On int
	// Size is what Scale asks for; Pick chooses among pods, as a remainder.
	Size int32
	Pick int
	// Rest is the time until the next operation.
	Rest time.Duration
}

// String is for people who read what led to a failure.
func (o Operation) String() string {
	text := fmt.Sprintf("%d. %s", o.Number, o.Kind)
	switch o.Kind {
	case Scale:
		text += fmt.Sprintf(" to %d", o.Size)
	case KillPod:
		text += fmt.Sprintf(" (pick %d)", o.Pick)
	}
	return fmt.Sprintf("%s, on %d, then wait %s", text, o.On, o.Rest)
}

// Draw gives so many operations on so many Rollouts and controllers. The same seed gives the same operations.
func Draw(seed uint64, count, rollouts, controllers int) []Operation {
	random := rand.New(rand.NewPCG(seed, seed))
	var kinds []Kind
	for _, o := range often {
		kinds = append(kinds, slices.Repeat([]Kind{o.kind}, o.times)...)
	}
	operations := make([]Operation, count)
	for i := range operations {
		o := Operation{Number: i + 1, Kind: kinds[random.IntN(len(kinds))], On: random.IntN(rollouts)}
		if o.Kind == KillController || o.Kind == RestartController {
			o.On = random.IntN(controllers)
		}
		o.Size = Smallest + random.Int32N(Largest-Smallest+1)
		o.Pick = random.IntN(1000)
		o.Rest = time.Duration(random.Int64N(int64(longestRest/time.Millisecond))) * time.Millisecond
		operations[i] = o
	}
	return operations
}
