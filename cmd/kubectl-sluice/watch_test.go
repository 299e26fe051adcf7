package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// watched is a command that runs until the test ends it.
type watched struct {
	*console
	cluster server
	stop    context.CancelFunc
	ended   chan int
}

func start(t *testing.T, c *console, cluster server, line string) *watched {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &watched{console: c, cluster: cluster, stop: stop, ended: make(chan int, 1)}
	go func() { w.ended <- run(ctx, c.session, strings.Fields(line)) }()
	return w
}

// until waits for a picture that seen accepts.
func (w *watched) until(t *testing.T, seen func(string) bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for !seen(w.text()) {
		select {
		case <-w.written:
		case <-limit:
			t.Fatalf("never seen; the output is\n%s", w.text())
		}
	}
}

// listening waits until n watches have begun, after which no change is missed.
func (w *watched) listening(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-w.cluster.begun:
		case <-time.After(20 * time.Second):
			t.Fatal("the watches do not begin")
		}
	}
}

// kindsOfFamily is how many watches get takes.
const kindsOfFamily = 5

// end presses Ctrl-C and returns the exit code.
func (w *watched) end(t *testing.T) int {
	t.Helper()
	w.stop()
	select {
	case code := <-w.ended:
		return code
	case <-time.After(20 * time.Second):
		t.Fatal("the command does not end")
		return 0
	}
}

func (w *watched) patch(t *testing.T, body string) {
	t.Helper()
	r := &v1alpha1.Rollout{}
	r.Namespace, r.Name = "shop", "web"
	if err := w.cluster.Status().Patch(t.Context(), r, client.RawPatch(types.MergePatchType, []byte(body))); err != nil {
		t.Fatal(err)
	}
}

// glass is the screen of a terminal.
type glass struct {
	rows        [][]rune
	row, column int
}

var sequence = regexp.MustCompile(`^\x1b\[[0-9;?]*[A-Za-z]`)

// terminal replays output as a terminal would and returns what stands on it, or complains about a sequence that it does not know.
func terminal(t *testing.T, output string) string {
	t.Helper()
	g := &glass{}
	for output != "" {
		if s := sequence.FindString(output); s != "" {
			if !g.obey(s) {
				t.Fatalf("%q at row %d", s, g.row)
			}
			output = output[len(s):]
			continue
		}
		r, size := utf8.DecodeRuneInString(output)
		g.put(r)
		output = output[size:]
	}
	var b strings.Builder
	for _, r := range g.rows {
		b.WriteString(strings.TrimRight(string(r), " ") + "\n")
	}
	return b.String()
}

func (g *glass) put(r rune) {
	switch r {
	case '\n':
		g.row, g.column = g.row+1, 0
	case '\r':
		g.column = 0
	default:
		for len(g.rows) <= g.row {
			g.rows = append(g.rows, nil)
		}
		l := g.rows[g.row]
		g.rows[g.row] = slices.Concat(l[:g.column], []rune{r}, l[min(g.column+1, len(l)):])
		g.column++
	}
}

// obey reports whether it knows the sequence and can do what it says.
func (g *glass) obey(s string) bool {
	var n int
	switch {
	case s == endOfLine && g.row < len(g.rows):
		g.rows[g.row] = g.rows[g.row][:min(g.column, len(g.rows[g.row]))]
	case s == endOfScreen:
		g.rows = g.rows[:min(g.row, len(g.rows))]
	case s == "\x1b[H":
		g.row, g.column = 0, 0
	case s == "\x1b[2J":
		g.rows = nil
	case strings.HasSuffix(s, "A"):
		if _, err := fmt.Sscanf(s, "\x1b[%dA", &n); err != nil || n > g.row {
			return false
		}
		g.row -= n
	default:
		return s == endOfLine || strings.HasPrefix(s, "\x1b[?")
	}
	return true
}

func TestGetOnATerminalDrawsInPlace(t *testing.T) {
	cluster := serve(t, scenes+"paused-canary.yaml")
	c := open(cluster, 80, 50)
	c.env = noColour
	w := start(t, c, cluster, "get web -w")
	w.until(t, func(s string) bool { return strings.Contains(s, "CanaryPauseStep") })
	w.listening(t, kindsOfFamily)
	w.patch(t, `{"status":{"phase":"Progressing","message":"a shorter one","pauseConditions":null,"controllerPause":false,"currentStepIndex":2}}`)
	w.until(t, func(s string) bool { return strings.Contains(s, "a shorter one") })
	if code := w.end(t); code != 0 {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
	still := open(cluster, 80, 50)
	still.env = noColour
	still.do(t, "get web")
	if got, want := terminal(t, w.text()), terminal(t, still.text()); got != want {
		t.Errorf("after two pictures the terminal shows\n%s\nand not\n%s", got, want)
	}
	if out := w.text(); !strings.Contains(out, hideCursor) || !strings.HasSuffix(out, showCursor) {
		t.Error("the cursor was not hidden and given back")
	}
}

func TestGetOnATerminalCountsDownWithoutNews(t *testing.T) {
	cluster := serve(t, scenes+"paused-canary.yaml")
	c := open(cluster, 80, 50)
	begin, noon := time.Now(), c.now()
	c.now = func() time.Time { return noon.Add(time.Since(begin)) }
	w := start(t, c, cluster, "get web -w")
	w.until(t, func(s string) bool { return strings.Contains(s, "3m14s left") })
	w.end(t)
}

func TestGetOnALowTerminalIsCut(t *testing.T) {
	cluster := serve(t, scenes+"paused-canary.yaml")
	c := open(cluster, 80, 10)
	w := start(t, c, cluster, "get web -w")
	w.until(t, func(s string) bool { return strings.Contains(s, "more lines: make the window higher") })
	w.end(t)
	if n := strings.Count(w.text(), "\n"); n != 9 {
		t.Errorf("%d lines on a terminal of 10", n)
	}
}

func TestGetInAPipeAppendsPictures(t *testing.T) {
	cluster := serve(t, scenes+"paused-canary.yaml")
	c := open(cluster, 0, 0)
	w := start(t, c, cluster, "get web -w")
	w.until(t, func(s string) bool { return strings.Contains(s, "CanaryPauseStep") })
	w.listening(t, kindsOfFamily)
	w.patch(t, `{"status":{"message":"another"}}`)
	w.until(t, func(s string) bool { return strings.Contains(s, "another") })
	w.end(t)
	if out := w.text(); strings.Contains(out, "\x1b") || strings.Count(out, "NAME") != 2 {
		t.Errorf("printed\n%s", out)
	}
}

func TestListIsWatched(t *testing.T) {
	cluster := serve(t, scenes+"paused-canary.yaml", "testdata/others.yaml")
	c := open(cluster, 0, 0)
	w := start(t, c, cluster, "list -w -o name")
	w.until(t, func(s string) bool { return strings.Contains(s, "cart") })
	w.listening(t, 1)
	gone := &v1alpha1.Rollout{}
	gone.Namespace, gone.Name = "shop", "cart"
	if err := cluster.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	w.until(t, func(s string) bool { return strings.Count(s, "api") == 2 })
	w.end(t)
	if want := "rollout.argoproj.io/api\nrollout.argoproj.io/cart\nrollout.argoproj.io/web\n\nrollout.argoproj.io/api\nrollout.argoproj.io/web\n"; w.text() != want {
		t.Errorf("printed %q", w.text())
	}
}

func TestAWatchedRolloutThatIsDeletedEndsTheWatch(t *testing.T) {
	cluster := serve(t, scenes+"healthy-with-history.yaml")
	c := open(cluster, 0, 0)
	w := start(t, c, cluster, "get web -w")
	w.until(t, func(s string) bool { return strings.Contains(s, "Healthy") })
	w.listening(t, kindsOfFamily)
	gone := &v1alpha1.Rollout{}
	gone.Namespace, gone.Name = "shop", "web"
	if err := cluster.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if code := <-w.ended; code != exitError || !strings.Contains(c.err.String(), `"shop/web" not found`) {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
}

func TestStatusTellsByItsExitCode(t *testing.T) {
	for name, c := range map[string]struct {
		scene, line string
		code        int
		out         string
	}{
		"healthy":                {"healthy-with-history", "status web", 0, "Healthy\n"},
		"degraded":               {"aborted-by-analysis", "status rollout web", exitDegraded, "Degraded: RolloutAborted"},
		"paused":                 {"paused-canary", "status web --watch=false", exitPaused, "Paused: CanaryPauseStep\n"},
		"paused at the end":      {"paused-canary", "status web -t 100ms", exitPaused, "Paused: CanaryPauseStep\nnot settled after 100ms\n"},
		"progressing":            {"basic-canary-with-bad-pods", "status web --watch=false", exitProgressing, "Progressing: waiting for rollout spec update to be observed\n"},
		"out of time":            {"basic-canary-with-bad-pods", "status web --timeout 100ms", exitProgressing, "Progressing: waiting for rollout spec update to be observed\nnot settled after 100ms\n"},
		"no such rollout":        {"healthy-with-history", "status nobody", exitError, ""},
		"a flag that is unknown": {"healthy-with-history", "status web --until=done", exitError, ""},
	} {
		t.Run(name, func(t *testing.T) {
			on := open(serve(t, scenes+c.scene+".yaml"), 0, 0)
			if code := on.do(t, c.line); code != c.code || !strings.HasPrefix(on.text(), c.out) {
				t.Errorf("exit code %d, want %d: %s%s", code, c.code, on.text(), on.err.String())
			}
		})
	}
}

func TestStatusWaitsForTheEnd(t *testing.T) {
	cluster := serve(t, scenes+"paused-canary.yaml")
	c := open(cluster, 0, 0)
	w := start(t, c, cluster, "status web")
	w.until(t, func(s string) bool { return strings.Contains(s, "Paused") })
	w.listening(t, 1)
	w.patch(t, `{"status":{"phase":"Healthy","message":"","pauseConditions":null,"controllerPause":false}}`)
	if code := <-w.ended; code != 0 || w.text() != "Paused: CanaryPauseStep\nHealthy\n" {
		t.Errorf("exit code %d: %s", code, w.text())
	}
}

func TestAnInterruptedStatusIsNoSuccess(t *testing.T) {
	cluster := serve(t, scenes+"paused-canary.yaml")
	w := start(t, open(cluster, 0, 0), cluster, "status web")
	w.until(t, func(s string) bool { return strings.Contains(s, "Paused") })
	if code := w.end(t); code != exitError {
		t.Errorf("exit code %d", code)
	}
}
