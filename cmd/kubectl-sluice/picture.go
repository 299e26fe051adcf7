package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-delivery/sluice/console/view"
)

// frame is what a picture is fitted into.
type frame struct {
	// width in columns; 0 means no limit.
	width int
	// wide shows what is left out otherwise: old revisions, every pod and step, conditions.
	wide bool
	// namespace is added to the commands that are suggested, if it is not the one that they would use anyway.
	namespace string
}

// indent is the column at which the texts of the head begin.
const indent = 10

// Limits of what is shown without -o wide.
const (
	mostSteps    = 12
	mostPods     = 10
	mostMessages = 5
)

// picture draws a Rollout: the head and the tree.
func picture(v view.Rollout, f frame) []line {
	lines := head(v, f)
	if below := tree(v, f); len(below) > 0 {
		lines = append(append(lines, nil), below...)
	}
	if f.wide && len(v.Conditions) > 0 {
		lines = append(append(lines, nil), table(conditions(v), f.width)...)
	}
	return lines
}

func head(v view.Rollout, f frame) []line {
	title := append(text(bold, v.Namespace+"/"+v.Name), span{"  ", plain})
	title = append(title, state(v.Tone, string(v.Phase))...)
	title = append(title, text(dim, about(v))...)
	lines := []line{title.fit(f.width)}
	if v.Message != "" {
		lines = append(lines, f.message(flow(nil, indent, words(styleOf(v.Tone), v.Message), " ", f.width))...)
	}
	if v.Waiting != "" {
		lines = append(lines, flow(nil, indent, words(plain, v.Waiting), " ", f.width)...)
		if hints := suggestions(v, f); len(hints) > 0 {
			lines = append(lines, flow(nil, indent, hints, "  ", f.width)...)
		}
	}
	lines = append(lines, nil)
	lines = append(lines, ladder(v, f)...)
	lines = append(lines, traffic(v, f)...)
	lines = append(lines, images(v, f)...)
	r := v.Replicas
	return append(lines, flow(text(dim, "Pods"), indent, []line{
		text(plain, fmt.Sprintf("%d desired", r.Desired)), text(plain, fmt.Sprintf("%d current", r.Current)),
		text(plain, fmt.Sprintf("%d updated", r.Updated)), text(plain, fmt.Sprintf("%d ready", r.Ready)),
		text(plain, fmt.Sprintf("%d available", r.Available)),
	}, "  ", f.width)...)
}

// message cuts a message that would push everything else off the screen.
func (f frame) message(lines []line) []line {
	if f.wide || len(lines) <= mostMessages {
		return lines
	}
	return append(lines[:mostMessages-1], flow(nil, indent, words(dim, "… (-o wide shows all of it)"), " ", f.width)...)
}

func about(v view.Rollout) string {
	var parts []string
	strategy := map[string]string{"Canary": "canary", "BlueGreen": "blue-green"}[v.Strategy]
	for _, p := range []string{strategy, v.Age} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return "  " + strings.Join(parts, ", ")
}

// suggestions are the likeliest commands, ready to be copied.
func suggestions(v view.Rollout, f frame) []line {
	var hints []line
	for _, a := range v.Actions {
		if a == view.ActionPromoteFull || len(hints) == 2 {
			continue
		}
		command := "kubectl sluice " + string(a) + " " + v.Name
		if f.namespace != v.Namespace {
			command += " -n " + v.Namespace
		}
		hints = append(hints, text(cyan, command))
	}
	return hints
}

// ladder shows the steps around the current one.
func ladder(v view.Rollout, f frame) []line {
	if len(v.Steps) == 0 {
		return nil
	}
	label := append(text(dim, "Steps  "), text(bold, v.Step)...)
	current := slices.IndexFunc(v.Steps, func(s view.Step) bool { return s.State != view.StepDone })
	if current < 0 {
		return []line{append(label.pad(max(indent, label.width()+2)), text(green, "all done")...)}
	}
	from, to := 0, len(v.Steps)
	if !f.wide && to > mostSteps {
		from = max(0, min(current-3, to-mostSteps))
		to = from + mostSteps
	}
	var pieces []line
	if from > 0 {
		pieces = append(pieces, text(dim, fmt.Sprintf("… %d done", from)))
	}
	for _, s := range v.Steps[from:to] {
		pieces = append(pieces, rung(v, s))
	}
	if rest := len(v.Steps) - to; rest > 0 {
		pieces = append(pieces, text(dim, fmt.Sprintf("… %d more", rest)))
	}
	return flow(label, max(indent, label.width()+2), pieces, "  ", f.width)
}

func rung(v view.Rollout, s view.Step) line {
	words := s.Text
	if s.Info != "" {
		words += " (" + s.Info + ")"
	}
	switch s.State {
	case view.StepDone:
		return text(green, "✔ "+words)
	case view.StepCurrent:
		return text(style("1;"+string(styleOf(v.Tone))), "▶ "+words)
	}
	return text(dim, "○ "+words)
}

// barCells is the length of the bar that shows how traffic is divided.
const barCells = 20

// traffic shows how requests are divided while two revisions share them.
func traffic(v view.Rollout, f frame) []line {
	t := v.Traffic
	if t == nil || !shared(v) {
		return nil
	}
	share := func(n int32) string {
		if t.Full == 100 {
			return fmt.Sprintf("%d %%", n)
		}
		return fmt.Sprintf("%d of %d", n, t.Full)
	}
	var pieces []line
	if t.Actual != nil {
		filled := 0
		if t.Full > 0 {
			filled = int(min(max(int64(*t.Actual)*barCells/int64(t.Full), 0), barCells))
		}
		if filled == 0 && *t.Actual > 0 {
			filled = 1
		}
		pieces = append(pieces, line{{strings.Repeat("█", filled), yellow}, {strings.Repeat("░", barCells-filled), green}},
			text(yellow, "canary "+share(*t.Actual)), text(green, "stable "+share(t.Full-*t.Actual)))
	}
	if t.Actual == nil || *t.Actual != t.Wanted {
		pieces = append(pieces, text(plain, "the step asks for "+share(t.Wanted)))
	}
	if t.Verified != nil && !*t.Verified {
		pieces = append(pieces, text(yellow, "the gateway has not confirmed it yet"))
	}
	return flow(text(dim, "Traffic"), indent, pieces, "  ", f.width)
}

// shared reports whether there is a canary besides the stable revision.
func shared(v view.Rollout) bool {
	return slices.ContainsFunc(v.Revisions, func(r view.Revision) bool { return slices.Contains(r.Roles, "canary") })
}

func images(v view.Rollout, f frame) []line {
	var rows []row
	for i, image := range v.Images {
		label := text(dim, "")
		if i == 0 {
			label = text(dim, "Images")
		}
		rows = append(rows, row{cells: []line{label.pad(indent - 2), text(plain, image.Image), text(dim, strings.Join(image.Roles, ", "))}})
	}
	return table(rows, f.width)
}

func conditions(v view.Rollout) []row {
	rows := []row{{cells: []line{text(dim, "CONDITION"), text(dim, "STATUS"), text(dim, "REASON"), text(dim, "MESSAGE")}}}
	for _, c := range v.Conditions {
		rows = append(rows, row{cells: []line{text(plain, string(c.Type)), text(plain, string(c.Status)), text(plain, c.Reason), text(plain, c.Message)}})
	}
	return rows
}

// counts tells what came of the measurements of a metric.
func counts(m view.Metric) string {
	var parts []string
	for _, c := range []struct {
		n    int32
		word string
	}{{m.Successful, "good"}, {m.Failed, "bad"}, {m.Inconclusive, "inconclusive"}, {m.Error, "in error"}} {
		if c.n > 0 {
			parts = append(parts, strconv.Itoa(int(c.n))+" "+c.word)
		}
	}
	if m.Value != "" {
		parts = append(parts, "last "+m.Value)
	}
	return strings.Join(parts, ", ")
}
