package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-delivery/sluice/console/view"
)

// branch is one row of the tree and what hangs below it.
type branch struct {
	name     line
	status   line
	age      string
	info     string
	note     string
	children []branch
}

// columnsBesideNames is what the columns after the name need at least.
const columnsBesideNames = 42

// tree lists the revisions and what belongs to them. Names are written as kubectl takes them, such as pod/web-1.
func tree(v view.Rollout, f frame) []line {
	if len(v.Revisions) == 0 {
		return nil
	}
	rows := []row{header("NAME", "STATUS", "AGE", "INFO")}
	var old []string
	for _, r := range v.Revisions {
		if !f.wide && over(r) {
			old = append(old, fmt.Sprint(r.Number))
			continue
		}
		rows = append(rows, revisionBranch(r, f).rows("", "", f)...)
	}
	lines := table(rows, f.width)
	if len(old) > 0 {
		lines = append(lines, text(dim, "without pods, shown by -o wide: revision "+strings.Join(first(old, 5), ", ")).fit(f.width))
	}
	return lines
}

func first(list []string, most int) []string {
	if len(list) <= most {
		return list
	}
	return append(slices.Clone(list[:most]), "…")
}

// over reports whether a revision has no part to play, no pods and nothing that still runs.
func over(r view.Revision) bool {
	busy := slices.ContainsFunc(r.Runs, func(n view.Run) bool { return n.Tone == view.ToneBusy }) ||
		slices.ContainsFunc(r.Experiments, func(n view.Experiment) bool { return n.Tone == view.ToneBusy })
	return len(r.Roles) == 0 && !busy && (r.ReplicaSet == nil || r.ReplicaSet.Tone == view.ToneIdle)
}

// rows flattens a branch; the first line of it begins with lead, those of its children with below.
func (b branch) rows(lead, below string, f frame) []row {
	name := slices.Clone(b.name)
	if f.width > 0 && !f.wide {
		most := f.width - columnsBesideNames - len([]rune(lead))
		last := len(name) - 1
		name[last].text = shorten(name[last].text, most-name[:last].width())
	}
	cells := []line{append(text(dim, lead), name...)}
	if b.status != nil || b.info != "" {
		cells = append(cells, b.status, text(plain, b.age), text(plain, b.info))
	}
	under := below + "   "
	if len(b.children) > 0 {
		under = below + "│  "
	}
	rows := []row{{cells: cells, note: b.note, lead: text(dim, under)}}
	for i, c := range b.children {
		stem, rest := "├─ ", "│  "
		if i == len(b.children)-1 {
			stem, rest = "└─ ", "   "
		}
		rows = append(rows, c.rows(below+stem, below+rest, f)...)
	}
	return rows
}

func revisionBranch(r view.Revision, f frame) branch {
	b := branch{name: append(text(bold, fmt.Sprintf("revision %d", r.Number)), text(cyan, roleWords(r.Roles))...)}
	if r.ReplicaSet != nil {
		b.children = append(b.children, replicaSetBranch(*r.ReplicaSet, f))
	}
	for _, e := range r.Experiments {
		b.children = append(b.children, experimentBranch(e, f))
	}
	for _, n := range r.Runs {
		b.children = append(b.children, runBranch(n, f))
	}
	return b
}

func roleWords(roles []string) string {
	if len(roles) == 0 {
		return ""
	}
	return "  " + strings.Join(roles, ", ")
}

func nodeBranch(kind string, n view.Node, info ...string) branch {
	b := branch{name: append(text(dim, kind+"/"), text(plain, n.Name)...), status: state(n.Tone, n.Status), age: n.Age}
	b.info, b.note = joined(info), n.Message
	return b
}

func joined(parts []string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

func replicaSetBranch(s view.ReplicaSet, f frame) branch {
	b := nodeBranch("rs", s.Node, fmt.Sprintf("%d/%d available", s.Available, s.Desired))
	if s.ScaleDownIn != "" {
		b.note = joined([]string{"down in " + s.ScaleDownIn, s.Message})
	}
	shown, left := s.Pods, 0
	if !f.wide && len(shown) > mostPods {
		// Those that are not well matter most; the order among equals stays.
		shown = slices.Clone(shown)
		slices.SortStableFunc(shown, func(a, b view.Pod) int { return urgency(a.Tone) - urgency(b.Tone) })
		shown, left = shown[:mostPods-1], len(shown)-mostPods+1
	}
	for _, p := range shown {
		b.children = append(b.children, podBranch(p))
	}
	if left > 0 {
		b.children = append(b.children, branch{name: text(dim, fmt.Sprintf("… %d more pods", left))})
	}
	return b
}

func urgency(t view.Tone) int {
	return slices.Index([]view.Tone{view.ToneBad, view.ToneUnsure, view.TonePaused, view.ToneBusy, view.ToneIdle, view.ToneGood}, t)
}

func podBranch(p view.Pod) branch {
	restarts := ""
	switch {
	case p.Restarts == 1:
		restarts = "1 restart"
	case p.Restarts > 1:
		restarts = fmt.Sprintf("%d restarts", p.Restarts)
	}
	return nodeBranch("pod", p.Node, fmt.Sprintf("%d/%d ready", p.Ready, p.Containers), restarts)
}

// runBranch shows the metrics of a run that is under way or ended badly; of a good one it is enough that it was good.
func runBranch(r view.Run, f frame) branch {
	b := nodeBranch("ar", r.Node, strings.ToLower(r.Type))
	if r.Tone == view.ToneGood && !f.wide {
		b.note = ""
		return b
	}
	if slices.ContainsFunc(r.Metrics, func(m view.Metric) bool { return m.Tone == view.ToneBad }) {
		b.note = "" // the rows of the metrics say it better
	}
	for _, m := range r.Metrics {
		name := text(plain, m.Name)
		if m.DryRun {
			name = append(name, span{" (dry run)", dim})
		}
		b.children = append(b.children, branch{name: name, status: state(m.Tone, string(m.Phase)), info: counts(m), note: m.Message})
	}
	return b
}

func experimentBranch(e view.Experiment, f frame) branch {
	left := e.Left
	if left != "" {
		left += " left"
	}
	b := nodeBranch("exp", e.Node, left)
	b.children = experimentChildren(e, f)
	return b
}

// experimentChildren are the groups of pods of an Experiment, without those that are gone, and its analyses.
func experimentChildren(e view.Experiment, f frame) (children []branch) {
	for _, g := range e.Groups {
		if g.ReplicaSet != nil && (f.wide || g.ReplicaSet.Tone != view.ToneIdle) {
			children = append(children, replicaSetBranch(*g.ReplicaSet, f))
		}
	}
	for _, r := range e.Runs {
		children = append(children, runBranch(r, f))
	}
	return children
}
