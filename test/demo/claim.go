package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// claim is something that is promised of a version, and what was observed.
type claim struct {
	version, text string
	holds         bool
	observed      string
}

func (p *play) claim(version, text string, holds bool, observed string, arguments ...any) {
	p.claims = append(p.claims, claim{version: version, text: text, holds: holds, observed: fmt.Sprintf(observed, arguments...)})
}

// judged claims that the first verdict is the one that is wanted, and that the route changed after it, by the order in which the API server
// took the two writes.
func (p *play) judged(version string, want v1alpha1.AnalysisPhase, text string, start time.Time, moved func(canary int32) bool) {
	carried, _ := p.weightAfter(start, func(canary int32) bool { return canary > 0 })
	change, isMoved := p.weightAfter(carried.at, moved)
	v, isJudged := p.verdictAfter(start)
	if !isJudged || !isMoved {
		p.claim(version, text, false, "verdict seen: %t, route changed: %t", isJudged, isMoved)
		return
	}
	order, err := resourceversion.CompareResourceVersion(v.version, change.version)
	var results []string
	for _, m := range v.run.Status.MetricResults {
		results = append(results, fmt.Sprintf("%d good and %d bad measurements", m.Successful, m.Failed))
	}
	p.claim(version, text, err == nil && order < 0 && v.run.Status.Phase == want, "%s: %s; then weight %d",
		v.run.Status.Phase, strings.Join(results, ", "), change.canary)
}

func (p *play) nothingLost(version string, start time.Time) {
	all := p.load.Between(start, time.Time{})
	p.claim(version, "loses no request", all.Lost == 0, "%d of %d lost %s", all.Lost, all.Sent, listed(all.Errs))
}

func listed(errs map[string]int) string {
	if len(errs) == 0 {
		return ""
	}
	return fmt.Sprint(errs)
}

// summary prints all claims and reports whether all hold.
func (p *play) summary(out io.Writer) bool {
	all := true
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nVERSION\tCLAIM\tOBSERVED\t")
	for _, c := range p.claims {
		verdict := "ok"
		if !c.holds {
			verdict, all = "NOT SO", false
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.version, c.text, c.observed, verdict)
	}
	_ = table.Flush()
	return all
}
