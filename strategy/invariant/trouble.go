package invariant

import "fmt"

// TroubleHolds is I2 and I4 while one of several routes cannot be read or used, and so may send any share to anybody: requests are taken from the
// canary, but never led to it; no Service is switched, no step counts by the routes, and no revision loses a pod that a Service selects.
func TroubleHolds(d *Decision) string {
	seen := &d.Seen
	if !seen.Routed || seen.TrafficError == "" {
		return ""
	}
	if t := d.Plan.Traffic; t != nil && t.Split.Canary.Weight > seen.Traffic.Highest {
		return fmt.Sprintf("the canary's weight rises from %d to %d while a route is unusable", seen.Traffic.Highest, t.Split.Canary.Weight)
	}
	if len(d.Plan.Point) > 0 {
		return fmt.Sprintf("Service %s is switched while a route is unusable", d.Plan.Point[0].Service)
	}
	for _, i := range d.Plan.Scale {
		if i.Replicas == nil || *i.Replicas >= i.From {
			continue
		}
		for _, b := range seen.backends() {
			if b.selects(i.Hash) {
				return fmt.Sprintf("ReplicaSet %s shrinks from %d to %d while a route is unusable and Service %s selects it", i.Name, i.From, *i.Replicas, b.Name)
			}
		}
	}
	return d.countsInTrouble()
}

// countsInTrouble says which step counts as done by routes of which one cannot be used.
func (d *Decision) countsInTrouble() string {
	from, to := d.passed()
	for i := from; i < to; i++ {
		if s := d.Seen.steps()[i]; (s.SetWeight != nil || s.SetHeaderRoute != nil || s.SetMirrorRoute != nil) && !d.asksForNobody(i) {
			return fmt.Sprintf("step %d counts as done while a route is unusable", i)
		}
	}
	return ""
}
