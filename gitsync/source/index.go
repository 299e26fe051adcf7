package source

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/internal/child"
)

// indexCommand is the hidden first argument that makes the program read the index of a Helm repository.
const indexCommand = "read-chart-index"

type indexQuestion struct{ File, Chart string }

type indexAnswer struct {
	Versions []chartVersion
	Problem  string
}

// IsChild tells whether this process was started to read an index; main and TestMain must then do nothing but call Serve.
func IsChild() bool { return child.Asked(indexCommand) }

// Serve reads indexes and gives the exit code of the process.
func Serve(in io.Reader, out io.Writer) int {
	return child.Serve(in, out, func(q indexQuestion) indexAnswer {
		text, err := os.ReadFile(q.File)
		if err != nil {
			return indexAnswer{Problem: err.Error()}
		}
		versions, err := readIndex(text, q.Chart)
		if err != nil {
			return indexAnswer{Problem: err.Error()}
		}
		return indexAnswer{Versions: versions}
	})
}

func parseIndexAnswer(text []byte) ([]chartVersion, error) {
	var a indexAnswer
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	if a.Problem != "" {
		return nil, errors.New(a.Problem)
	}
	return a.Versions, nil
}

type index struct {
	Entries map[string][]struct {
		Version string   `json:"version"`
		URLs    []string `json:"urls"`
		Digest  string   `json:"digest"`
	} `json:"entries"`
}

// readIndex lists the versions of a chart. Of an index as Helm writes it only the part about the chart is parsed.
func readIndex(text []byte, chart string) ([]chartVersion, error) {
	var all index
	if part := excerpt(text, chart); part != nil {
		text = part
	}
	if err := yaml.Unmarshal(text, &all); err != nil {
		return nil, errors.New("index.yaml cannot be read as an index of charts")
	}
	entries := all.Entries[chart]
	if len(entries) == 0 {
		return nil, fmt.Errorf("the repository has no chart %q", chart)
	}
	var versions []chartVersion
	for _, e := range entries {
		v := chartVersion{Version: e.Version, Digest: e.Digest}
		if len(e.URLs) > 0 {
			v.URL = e.URLs[0]
		}
		versions = append(versions, v)
	}
	return versions, nil
}

// excerpt is the part of an index about one chart; nil if that is not written as Helm writes it.
func excerpt(text []byte, chart string) []byte {
	var part bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for entries := false; lines.Scan(); {
		line := lines.Text()
		switch {
		case part.Len() > 0 && !strings.HasPrefix(line, "  -") && !strings.HasPrefix(line, "   ") && strings.TrimSpace(line) != "":
			return part.Bytes()
		case part.Len() > 0:
			part.WriteString(line + "\n")
		case line == "entries:":
			entries = true
		case entries && line == "  "+chart+":":
			part.WriteString("entries:\n" + line + "\n")
		}
	}
	if lines.Err() != nil {
		return nil
	}
	return part.Bytes()
}

// newest chooses the version of that very name, else the highest one that fulfils a constraint.
func newest(versions []string, asked string) (string, error) {
	for _, v := range versions {
		if v == asked {
			return v, nil
		}
	}
	constraint, err := semver.NewConstraint(asked)
	if err != nil {
		return "", fmt.Errorf("there is no version %.80q, and it is no version constraint", asked)
	}
	var best *semver.Version
	for _, text := range versions {
		v, err := semver.NewVersion(text)
		if err == nil && constraint.Check(v) && (best == nil || v.GreaterThan(best)) {
			best = v
		}
	}
	if best == nil {
		return "", fmt.Errorf("no version fulfils %.80q", asked)
	}
	return best.Original(), nil
}
