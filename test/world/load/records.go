package load

import (
	"slices"
	"time"
)

// Summary counts the requests of a window.
type Summary struct {
	// Sent were sent, Failed were answered by an app with 500 or above, Lost reached no app.
	Sent, Failed, Lost int
	// Unsent were due while too many were under way: the window says less than it should.
	Unsent int
	// Versions counts the answers of each version, Failures those of them with 500 or above, Errs the losses of each kind.
	Versions map[string]int
	Failures map[string]int
	Errs     map[string]int
}

// Share is the part of all answers that a version gave, 0 to 1.
func (s Summary) Share(version string) float64 {
	all := 0
	for _, n := range s.Versions {
		all += n
	}
	if all == 0 {
		return 0
	}
	return float64(s.Versions[version]) / float64(all)
}

// Success is the part of the requests sent that were answered well, 0 to 1; 1 where there were none.
func (s Summary) Success() float64 {
	if s.Sent == 0 {
		return 1
	}
	return float64(s.Sent-s.Failed-s.Lost) / float64(s.Sent)
}

// Records returns what was sent so far, by the time of sending.
func (d *Driver) Records() []Record {
	d.mu.Lock()
	out := slices.Clone(d.records)
	d.mu.Unlock()
	slices.SortStableFunc(out, func(a, b Record) int { return a.At.Compare(b.At) })
	return out
}

// After returns the records but for the first n, in the order of the ends of their requests: what has come in since there were n.
func (d *Driver) After(n int) []Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.records[min(n, len(d.records)):])
}

// Between counts the answered requests that were sent from one moment on and before the other. A zero time is no bound.
func (d *Driver) Between(from, to time.Time) Summary {
	s := Summary{Versions: map[string]int{}, Failures: map[string]int{}, Errs: map[string]int{}}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := len(d.records) - 1; i >= 0; i-- {
		r := &d.records[i]
		// Records stand in the order of their ends, give or take a moment: what is before this one ended earlier still.
		if !from.IsZero() && r.At.Add(r.Took+time.Second).Before(from) {
			break
		}
		if r.At.Before(from) || (!to.IsZero() && !r.At.Before(to)) {
			continue
		}
		s.add(r)
	}
	return s
}

func (s *Summary) add(r *Record) {
	switch {
	case r.Err == Unsent:
		s.Unsent++
		return
	case r.Lost():
		s.Lost++
		s.Errs[r.Err]++
	default:
		s.Versions[r.Version]++
		if r.Status >= 500 {
			s.Failed++
			s.Failures[r.Version]++
		}
	}
	s.Sent++
}

// First returns the earliest request of which is holds.
func (d *Driver) First(is func(Record) bool) (Record, bool) {
	records := d.Records()
	i := slices.IndexFunc(records, is)
	if i < 0 {
		return Record{}, false
	}
	return records[i], true
}

// Last returns the latest request of which is holds.
func (d *Driver) Last(is func(Record) bool) (Record, bool) {
	for _, r := range slices.Backward(d.Records()) {
		if is(r) {
			return r, true
		}
	}
	return Record{}, false
}
