package trafficrouting_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/trafficrouting"
)

func three(stable, canary, extra int32) trafficrouting.Split {
	return trafficrouting.Split{Stable: trafficrouting.Share{Service: "stable", Weight: stable},
		Canary: trafficrouting.Share{Service: "canary", Weight: canary}, Additional: []trafficrouting.Share{{Service: "extra", Weight: extra}}}
}

// I12: a Split passes exactly if its weights are at least 0 and sum up to the total, whatever numbers come in.
func TestASplitPassesOnlyIfItDividesTheTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weight := rapid.OneOf(rapid.Int32(), rapid.Int32Range(-2, 102))
		total, canary, extra := weight.Draw(t, "total"), weight.Draw(t, "canary"), weight.Draw(t, "extra")
		stable := rapid.OneOf(weight, rapid.Just(total-canary-extra)).Draw(t, "stable") // the second fits, if only by overflow
		divides := stable >= 0 && canary >= 0 && extra >= 0 && total > 0 && int64(stable)+int64(canary)+int64(extra) == int64(total)
		if err := three(stable, canary, extra).Check(total); (err == nil) != divides {
			t.Fatalf("total %d, stable %d, canary %d, extra %d: got %v", total, stable, canary, extra, err)
		}
	})
}

func TestEverySplitThatDividesTheTotalPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int32Range(1, math.MaxInt32).Draw(t, "total")
		canary := rapid.Int32Range(0, total).Draw(t, "canary")
		extra := rapid.Int32Range(0, total-canary).Draw(t, "extra")
		if err := three(total-canary-extra, canary, extra).Check(total); err != nil {
			t.Fatal(err)
		}
	})
}

func TestASplitNamesEachServiceOnce(t *testing.T) {
	for name, s := range map[string]trafficrouting.Split{
		"twice": {Stable: trafficrouting.Share{Service: "a", Weight: 50}, Canary: trafficrouting.Share{Service: "a", Weight: 50}},
		"none":  {Stable: trafficrouting.Share{Service: "a", Weight: 100}},
	} {
		if s.Check(100) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOnlyAnErrorThatIsUnusableThroughoutIsUnusable(t *testing.T) {
	unusable := &trafficrouting.UnusableError{Route: "HTTPRoute shop/web", Problem: "it does not exist"}
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"none", nil, false},
		{"one", unusable, true},
		{"one with a cause around it", fmt.Errorf("observing: %w", unusable), true},
		{"two", errors.Join(unusable, nil, unusable), true},
		{"another", errors.New("timeout"), false},
		{"one and another", errors.Join(unusable, errors.New("timeout")), false},
	} {
		if got := trafficrouting.IsUnusable(c.err); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}
