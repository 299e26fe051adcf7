package soak

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/test/world/load"
)

func TestTheSameSeedGivesTheSameOperations(t *testing.T) {
	if diff := cmp.Diff(Draw(7, 200, 3, 2), Draw(7, 200, 3, 2)); diff != "" {
		t.Errorf("the second time they differ: %s", diff)
	}
	if cmp.Equal(Draw(7, 200, 3, 2), Draw(8, 200, 3, 2)) {
		t.Error("another seed gives the same operations")
	}
}

func TestEveryKindOfOperationComesOnEveryRolloutAndWithinItsBounds(t *testing.T) {
	seen := map[Kind]map[int]bool{}
	for i, o := range Draw(1, 1000, 3, 2) {
		if seen[o.Kind] == nil {
			seen[o.Kind] = map[int]bool{}
		}
		seen[o.Kind][o.On] = true
		if o.Number != i+1 || o.Size < Smallest || o.Size > Largest || o.Rest < 0 || o.Rest > longestRest {
			t.Fatalf("%+v", o)
		}
	}
	for _, o := range often {
		want := 3
		if o.kind == KillController || o.kind == RestartController {
			want = 2
		}
		if len(seen[o.kind]) != want {
			t.Errorf("%s comes on %v", o.kind, seen[o.kind])
		}
	}
}

func TestARequestIsJudgedByWhatWasNamedAtItsTime(t *testing.T) {
	begin := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	var line Timeline
	line.Named(at(0), "v1")
	line.Named(at(10), "v2", "v1", "v2")
	line.Named(at(11), "v1", "v2")
	line.Named(at(20), "v1")
	line.Named(at(30), "v3")
	for name, c := range map[string]struct {
		record load.Record
		want   string
	}{
		"an answer of a named version is right":                  {load.Record{At: at(15), Status: 200, Version: "v2"}, ""},
		"an answer by what was named a moment ago is right":      {load.Record{At: at(21), Status: 200, Version: "v2"}, ""},
		"an answer long after the weight was zero is misrouted":  {load.Record{At: at(25), Status: 200, Version: "v2"}, "v2, which no route"},
		"an answer before anything named the version is":         {load.Record{At: at(5), Status: 200, Version: "v2"}, "v2, which no route"},
		"what is seen a little late is forgiven":                 {load.Record{At: at(29.8), Status: 200, Version: "v3"}, ""},
		"an answer before the first state is misrouted":          {load.Record{At: at(-5), Status: 200, Version: "v1"}, "v1, which no route"},
		"an answer of a version that was never there is":         {load.Record{At: at(40), Status: 200, Version: "v9"}, "v9, which no route"},
		"a failure is a fault whoever answered":                  {load.Record{At: at(15), Status: 503, Version: "v1"}, "with 503"},
		"a request that reached no app is a fault":               {load.Record{At: at(15), Err: "refused"}, "refused"},
		"a request that could not be sent is a fault of the run": {load.Record{At: at(15), Err: load.Unsent}, load.Unsent},
	} {
		t.Run(name, func(t *testing.T) {
			got := line.Fault(c.record)
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("the fault is %q, want %q", got, c.want)
			}
		})
	}
	if text := line.String(); strings.Count(text, "\n") != 3 || !strings.Contains(text, "12:00:10.000 v1 and v2") {
		t.Errorf("the states are\n%s", text)
	}
}
