package gitsync

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/glob"
	cron "github.com/netresearch/go-cron"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// schedules reads five-field cron expressions; descriptors such as @daily are refused.
var schedules = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// Permission says whether a sync may run now; Reason names the windows that forbid it. Broken is true if one of them cannot be read.
type Permission struct {
	Allowed, Broken bool
	Reason          string
}

// MayStart says whether the sync windows of a project let an operation on an Application begin.
func MayStart(windows []gitopsv1.SyncWindow, app *gitopsv1.Application, now time.Time, manual bool) Permission {
	matched := matchingWindows(windows, app)
	problem := brokenWindows(windows, matched)
	if problem != nil && !manual {
		return Permission{Broken: true, Reason: "invalid sync windows: " + problem.Error()}
	}
	return judgeWindows(windows, matched, now, manual, func(gitopsv1.SyncWindow) bool { return false })
}

// MayContinue says whether an operation that began at started may go on. A window with syncOverrun lets one finish that it met under way.
func MayContinue(windows []gitopsv1.SyncWindow, app *gitopsv1.Application, now, started time.Time, manual bool) Permission {
	if !MayStart(windows, app, started, manual).Allowed {
		return MayStart(windows, app, now, manual)
	}
	matched := matchingWindows(windows, app)
	if problem := brokenWindows(windows, matched); problem != nil && !manual {
		return Permission{Broken: true, Reason: "invalid sync windows: " + problem.Error()}
	}
	return judgeWindows(windows, matched, now, manual, func(w gitopsv1.SyncWindow) bool { return w.SyncOverrun })
}

// judgeWindows lets an operation pass if nothing is in its way, or if each window there lets manual operations pass and this is one,
// or if each spares it.
func judgeWindows(windows []gitopsv1.SyncWindow, matched []int, now time.Time, manual bool, spares func(gitopsv1.SyncWindow) bool) Permission {
	obstacles := inTheWay(windows, matched, now)
	strict := func(w gitopsv1.SyncWindow) bool { return !manual || !w.ManualSync }
	if !slices.ContainsFunc(obstacles, strict) || !slices.ContainsFunc(obstacles, func(w gitopsv1.SyncWindow) bool { return !spares(w) }) {
		return Permission{Allowed: true}
	}
	var names []string
	for _, w := range obstacles {
		names = append(names, fmt.Sprintf("%s window %q for %s", w.Kind, w.Schedule, w.Duration))
	}
	return Permission{Reason: "blocked by sync window: " + strings.Join(names, ", ")}
}

// inTheWay lists the windows that forbid an operation now: an active deny beats everything; without one an active allow permits, and so does
// the absence of any allow.
func inTheWay(windows []gitopsv1.SyncWindow, matched []int, now time.Time) []gitopsv1.SyncWindow {
	var denying, closed []gitopsv1.SyncWindow
	open := false
	for _, i := range matched {
		w := windows[i]
		active, err := isActive(w, now)
		switch {
		case err != nil:
		case w.Kind == "deny" && active:
			denying = append(denying, w)
		case w.Kind == "allow" && active:
			open = true
		case w.Kind == "allow":
			closed = append(closed, w)
		}
	}
	if len(denying) > 0 || open {
		return denying
	}
	return closed
}

// isActive reports whether now lies in a window, its start included and its end not. The schedule is read on the wall clock of the window's
// time zone, so a change to or from daylight saving time neither moves nor stretches it: of an hour that comes twice the first one counts, and what
// begins in one that is left out begins as long after midnight as ever.
func isActive(w gitopsv1.SyncWindow, now time.Time) (bool, error) {
	schedule, err := schedules.Parse(w.Schedule)
	if err != nil {
		return false, fmt.Errorf("cannot parse schedule '%s': %w", w.Schedule, err)
	}
	duration, err := time.ParseDuration(w.Duration)
	if err != nil {
		return false, fmt.Errorf("cannot parse duration '%s': %w", w.Duration, err)
	}
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil {
		return false, fmt.Errorf("cannot find time zone '%s': %w", w.TimeZone, err)
	}
	// The wall clock is a clock in UTC that shows the same. Where it jumps, starts are looked for from well before the first one that may still count.
	earliest := now.Add(-duration)
	wall := onWall(earliest.In(zone))
	if offsetNear(wall, zone, -1) != offsetNear(wall, zone, 1) {
		wall = wall.Add(-largestJump)
	}
	for {
		wall = schedule.Next(wall)
		if wall.IsZero() {
			return false, nil
		}
		switch start := instantOf(wall, zone); {
		case start.After(now):
			return false, nil
		case start.After(earliest):
			return true, nil
		}
	}
}

// largestJump is more than any clock was ever set by at once for daylight saving time.
const largestJump = 3 * time.Hour

// onWall is the moment at which a clock in UTC shows what t shows in its zone.
func onWall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// offsetNear is by how much the clock of a zone is ahead of UTC some days from a moment.
func offsetNear(t time.Time, zone *time.Location, days int) time.Duration {
	_, seconds := t.AddDate(0, 0, days).In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// instantOf is when the clock of a zone shows what is on the wall for the first time, or would if it had not been set forward.
func instantOf(wall time.Time, zone *time.Location) time.Time {
	asBefore, asAfter := wall.Add(-offsetNear(wall, zone, -1)), wall.Add(-offsetNear(wall, zone, 1))
	if !onWall(asBefore.In(zone)).Equal(wall) && onWall(asAfter.In(zone)).Equal(wall) {
		return asAfter
	}
	return asBefore
}

func brokenWindows(windows []gitopsv1.SyncWindow, matched []int) error {
	var problems []error
	for _, i := range matched {
		problems = append(problems, WindowProblem(windows[i]))
	}
	return errors.Join(problems...)
}

// WindowProblem says why a window cannot be read; nil if it can.
func WindowProblem(w gitopsv1.SyncWindow) error {
	if w.Kind != "allow" && w.Kind != "deny" {
		return fmt.Errorf("kind '%s' is neither allow nor deny", w.Kind)
	}
	_, err := isActive(w, time.Unix(0, 0))
	return err
}

// matchingWindows lists the indices of the windows that concern an Application.
func matchingWindows(windows []gitopsv1.SyncWindow, app *gitopsv1.Application) (matched []int) {
	d := app.Spec.Destination
	for i, w := range windows {
		lists := []struct{ patterns, values []string }{
			{w.Applications, []string{app.Name}},
			{w.Namespaces, []string{d.Namespace}},
			{w.Clusters, []string{d.Server, d.Name}},
		}
		hits, set := 0, 0
		for _, l := range lists {
			if len(l.patterns) == 0 {
				continue
			}
			set++
			if slices.ContainsFunc(l.values, func(v string) bool { return v != "" && matchesAny(l.patterns, v) }) {
				hits++
			}
		}
		if hits > 0 && (!w.AndOperator || hits == set) {
			matched = append(matched, i)
		}
	}
	return matched
}

// matchesAny reports whether a glob matches; an asterisk crosses every character, and a pattern that is no glob matches nothing.
func matchesAny(patterns []string, value string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if !strings.ContainsAny(pattern, `*?[]{}\`) {
			return pattern == value
		}
		g, err := glob.Compile(pattern)
		return err == nil && g.Match(value)
	})
}
