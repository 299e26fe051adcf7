package main

import (
	"strings"
	"testing"

	"github.com/sluice-delivery/sluice/internal/golden"
)

func TestExperimentsAreShown(t *testing.T) {
	for name, command := range map[string]string{
		"experiment.txt":       "get experiment trial",
		"experiment-wide.txt":  "get exp/trial -o wide",
		"experiment-json.txt":  "get experiment trial -o json",
		"experiment-name.txt":  "get experiment trial -o name",
		"experiments.txt":      "list experiments",
		"experiments-all.txt":  "list exp -A",
		"experiments-json.txt": "list experiments -o json",
		"experiments-name.txt": "list experiments -o name",
	} {
		t.Run(name, func(t *testing.T) {
			c := open(serve(t, "testdata/experiments.yaml"), 0, 0)
			if code := c.do(t, command); code != 0 {
				t.Fatalf("exit code %d: %s", code, c.err.String())
			}
			golden.Compare(t, "testdata/"+name, c.text())
		})
	}
}

func TestAnExperimentFitsItsTerminal(t *testing.T) {
	c := open(serve(t, "testdata/experiments.yaml"), 80, 50)
	c.env = noColour
	if code := c.do(t, "get experiment trial"); code != 0 {
		t.Fatalf("exit code %d: %s", code, c.err.String())
	}
	for _, l := range strings.Split(c.text(), "\n") {
		if n := (line{{text: l}}).width(); n > 80 {
			t.Errorf("%d columns: %s", n, l)
		}
	}
}

func TestExperimentsThatAreNotThere(t *testing.T) {
	for command, want := range map[string]string{
		"get experiment nobody": `experiments.argoproj.io "nobody" not found`,
		"list experiments":      "there are no Experiments in namespace shop",
	} {
		c := open(serve(t), 0, 0)
		c.do(t, command)
		if got := c.text() + c.err.String(); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", command, got, want)
		}
	}
}
