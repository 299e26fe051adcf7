package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/console/view"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"registry.example/web:v1": "registry.example/web:v1",
		"two\nlines\tand a tab":   "two lines and a tab",
		"\x1b[31mred\x1b[0m":      `\x1b[31mred\x1b[0m`,
		"\u009b31m":               `\u009b31m`,
		"back\b\rwards":           `back\b\rwards`,
		"turned \u202e around":    `turned \u202e around`,
		"hid\u200bden":            `hid\u200bden`,
		"\xff":                    "\ufffd",
		"größer 世界 ✔":             "größer 世界 ✔",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b]8;;http://x\x07link\x1b]8;;\x07")
	f.Fuzz(func(t *testing.T, in string) {
		out := clean(in)
		for _, r := range out {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e {
				t.Fatalf("%q becomes %q", in, out)
			}
		}
		if l := text(plain, in); l.fit(20).width() > 20 {
			t.Fatalf("%q is %d columns wide", l.fit(20), l.fit(20).width())
		}
	})
}

func TestFitCountsColumns(t *testing.T) {
	for name, c := range map[string]struct {
		in    line
		most  int
		want  string
		width int
	}{
		"a line that fits":          {text(plain, "12345"), 5, "12345", 5},
		"a line that does not":      {text(plain, "123456"), 5, "1234…", 5},
		"no limit":                  {text(plain, "123456"), 0, "123456", 6},
		"wide characters":           {text(plain, "世界世界"), 5, "世界…", 5},
		"marks that take no column": {text(plain, "e\u0301e\u0301e\u0301"), 3, "e\u0301e\u0301e\u0301", 3},
		"a cut in a later piece":    {append(text(red, "123"), text(green, "456")...), 5, "1234…", 5},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.in.fit(c.most)
			if got.paint(false) != c.want || got.width() != c.width {
				t.Errorf("got %q of %d columns", got.paint(false), got.width())
			}
		})
	}
}

func TestPaint(t *testing.T) {
	l := append(append(text(red, "a"), span{" ", plain}), append(text(red, "b"), text(plain, " c ")...)...)
	if got, want := l.paint(true), "\x1b[31ma b\x1b[0m c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := l.paint(false); got != "a b c" {
		t.Errorf("got %q", got)
	}
}

func TestShortenKeepsBothEnds(t *testing.T) {
	if got := shorten("web-7d9f8b5c4d-x2x4z", 11); got != "web-7…x2x4z" {
		t.Errorf("got %s", got)
	}
}

func paint(lines []line) string {
	var all []string
	for _, l := range lines {
		all = append(all, l.paint(false))
	}
	return strings.Join(all, "\n")
}

func TestManyStepsShowThoseAroundTheCurrent(t *testing.T) {
	v := view.Rollout{Step: "50/100"}
	for i := range 100 {
		s := view.Step{Text: fmt.Sprintf("setWeight: %d", i), State: view.StepPending}
		switch {
		case i < 50:
			s.State = view.StepDone
		case i == 50:
			s.State = view.StepCurrent
		}
		v.Steps = append(v.Steps, s)
	}
	want := `
Steps  50/100  … 47 done  ✔ setWeight: 47  ✔ setWeight: 48  ✔ setWeight: 49
               ▶ setWeight: 50  ○ setWeight: 51  ○ setWeight: 52
               ○ setWeight: 53  ○ setWeight: 54  ○ setWeight: 55
               ○ setWeight: 56  ○ setWeight: 57  ○ setWeight: 58  … 41 more`
	if diff := cmp.Diff(strings.TrimSpace(want), paint(ladder(v, frame{width: 80}))); diff != "" {
		t.Error(diff)
	}
	if got := paint(ladder(v, frame{wide: true})); strings.Count(got, "setWeight") != 100 {
		t.Errorf("wide shows\n%s", got)
	}
}

func TestManyPodsShowThoseThatAreNotWell(t *testing.T) {
	s := view.ReplicaSet{Node: view.Node{Name: "web-1", Status: "Progressing", Tone: view.ToneBusy}, Desired: 200, Available: 199}
	for i := range 200 {
		p := view.Pod{Node: view.Node{Name: fmt.Sprintf("pod-%d", i), Status: "Running", Tone: view.ToneGood}}
		if i == 150 {
			p.Status, p.Tone = "CrashLoopBackOff", view.ToneBad
		}
		s.Pods = append(s.Pods, p)
	}
	v := view.Rollout{Revisions: []view.Revision{{Number: 1, Roles: []string{"stable"}, ReplicaSet: &s}}}
	got := paint(tree(v, frame{width: 80}))
	if lines := strings.Split(got, "\n"); len(lines) != 13 || !strings.Contains(lines[3], "pod-150") || !strings.Contains(got, "… 191 more pods") {
		t.Errorf("shows\n%s", got)
	}
	if got := paint(tree(v, frame{wide: true})); strings.Count(got, "pod/") != 200 {
		t.Errorf("wide shows\n%s", got)
	}
}

func TestALongMessageLeavesRoomForTheRest(t *testing.T) {
	v := view.Rollout{Message: strings.Repeat("word ", 10_000)}
	if lines := head(v, frame{width: 80}); len(lines) > 12 {
		t.Errorf("%d lines", len(lines))
	}
}
