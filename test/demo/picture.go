package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/view"
	"github.com/sluice-delivery/sluice/test/world/load"
)

// recent is how far back the picture looks for requests.
const recent = 2 * time.Second

// picture draws everything as it is now: the releases, where the Rollout stands, the requests, and below as much of what happened as fits.
func (p *play) picture(ctx context.Context, rows int, below []string) []string {
	sent, lost := p.sent()
	lines := []string{
		fmt.Sprintf("%sSluice%s  real API server, real Prometheus, real requests: %d sent, %d lost  %s%s%s",
			bold, plain, sent, lost, dim, clock(time.Since(p.begin)), plain), "",
	}
	lines = append(append(lines, p.ladder()...), "")
	if f, err := view.Load(ctx, p, client.ObjectKey{Namespace: namespace, Name: name}); err == nil {
		lines = append(lines, where(view.Of(f, time.Now()))...)
	}
	lines = append(append(lines, p.requests()...), "")
	news := p.since(0)
	room := max(0, rows-len(lines)-len(below))
	for _, e := range news[max(0, len(news)-room):] {
		lines = append(lines, p.line(e))
	}
	for range room - len(news) {
		lines = append(lines, "") // so that what stands below does not move
	}
	return append(lines, below...)
}

// ladder shows the three releases.
func (p *play) ladder() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var lines []string
	for _, s := range p.scenes {
		mark := map[sceneState]string{ahead: dim + "○", now: bold + yellow + "▶", good: green + "✔", failed: red + "✘"}[s.state]
		lines = append(lines, fmt.Sprintf(" %s %-7s%s %s", mark, s.version, plain, s.about))
	}
	return lines
}

// where tells where the Rollout stands.
func where(v view.Rollout) []string {
	tone := map[view.Tone]string{view.ToneGood: green, view.ToneBusy: yellow, view.TonePaused: cyan, view.ToneBad: red}[v.Tone]
	lines := []string{label("rollout") + tone + string(v.Phase) + plain + "  " + v.Message}
	var steps []string
	for _, s := range v.Steps {
		text := s.Text
		if s.Info != "" {
			text += " (" + s.Info + ")"
		}
		mark := map[view.StepState]string{view.StepDone: green + "✔ ", view.StepCurrent: bold + yellow + "▶ ", view.StepPending: dim + "○ "}[s.State]
		steps = append(steps, mark+text+plain)
	}
	lines = append(lines, label("steps")+strings.Join(steps, "  "))
	route := "all to shop-stable"
	if v.Traffic != nil && v.Traffic.Actual != nil && *v.Traffic.Actual > 0 {
		route = fmt.Sprintf("%d to shop-stable, %s%d to shop-canary", v.Traffic.Full-*v.Traffic.Actual, yellow, *v.Traffic.Actual)
	}
	return append(lines, label("route")+route)
}

func label(text string) string { return fmt.Sprintf(" %s%-9s%s", dim, text, plain) }

// over is true when the last release has come to its end.
func (p *play) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.scenes[len(p.scenes)-1].state > now
}

// requests shows the share and the success of each version, of the last requests.
func (p *play) requests() []string {
	const cells = 40
	s, running := p.latest()
	if !running {
		return []string{label("requests") + dim + "none yet" + plain}
	}
	var lines []string
	for i, version := range slices.Sorted(maps.Keys(s.Versions)) {
		share, success := s.Share(version), success(s, version)
		tone := green
		if success < 0.95 {
			tone = red
		}
		name := map[bool]string{true: "requests"}[i == 0]
		filled := min(max(1, int(share*cells+0.5)), cells)
		bar := strings.Repeat("█", filled) + dim + strings.Repeat("·", cells-filled) + plain
		lines = append(lines, fmt.Sprintf("%s%-7s %s%s %5.1f %%   %s%5.1f %% good%s", label(name), version, tone, bar, 100*share, tone, 100*success, plain))
	}
	for len(lines) < 2 {
		lines = append(lines, "")
	}
	return lines
}

// sent counts all requests so far.
func (p *play) sent() (sent, lost int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.load == nil {
		return 0, 0
	}
	s := p.load.Between(time.Time{}, time.Time{})
	return s.Sent, s.Lost
}

// latest are the requests of a moment ago, and whether there are any.
func (p *play) latest() (load.Summary, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.load == nil {
		return load.Summary{}, false
	}
	s := p.load.Between(time.Now().Add(-recent), time.Time{})
	return s, len(s.Versions) > 0
}

func success(s load.Summary, version string) float64 {
	return 1 - float64(s.Failures[version])/float64(s.Versions[version])
}

// line is one thing that happened.
func (p *play) line(e entry) string {
	return fmt.Sprintf(" %s%6.1f s  %-9s%s %s%s%s", dim, e.at.Sub(p.begin).Seconds(), e.kind, plain, e.tone, strings.ReplaceAll(e.text, "\n", " "), plain)
}

func clock(d time.Duration) string {
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// draw shows the play until ctx ends: by a picture on a terminal, line by line elsewhere.
func (p *play) draw(ctx context.Context, out *os.File, unattended bool) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	show := p.lines(out)
	if terminal(out) {
		s := &screen{out: out}
		defer s.close()
		show = func(below []string) {
			_, rows := s.size()
			s.show(p.picture(context.WithoutCancel(ctx), rows, below))
		}
	}
	var below []string
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true // what happened last is shown as well
		case <-ticker.C:
		}
		if below == nil && p.over() && !unattended {
			below = p.tryOut()
		}
		show(below)
	}
}

// lines makes a function that prints what happened since the last time, the requests now and then, and at last what stands below.
func (p *play) lines(out io.Writer) func(below []string) {
	printed, told, over := 0, time.Now(), false
	return func(below []string) {
		if time.Since(told) > recent && !over {
			told = time.Now()
			p.tellRequests()
		}
		for _, e := range p.since(printed) {
			fmt.Fprintln(out, uncoloured(p.line(e)))
			printed++
		}
		for _, line := range below {
			if !over {
				fmt.Fprintln(out, uncoloured(line))
			}
		}
		over = over || len(below) > 0
	}
}

// tellRequests adds the requests to what happened, for those who see no picture.
func (p *play) tellRequests() {
	s, running := p.latest()
	if !running {
		return
	}
	var parts []string
	for _, version := range slices.Sorted(maps.Keys(s.Versions)) {
		parts = append(parts, fmt.Sprintf("%s has %.1f %% of them, %.1f %% good", version, 100*s.Share(version), 100*success(s, version)))
	}
	p.tell("requests", "", "%s", strings.Join(parts, "; "))
}
