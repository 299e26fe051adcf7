package conformance

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Case is the outcome of one vector.
type Case struct {
	ID, Note string
	// Diff is empty when our answer agrees.
	Diff string
	// Foreign is true for a vector that another test answers.
	Foreign bool
}

// Compare answers every vector of a file (one JSON document a line), or of all files that match *.yaml (one document each), and fails for each disagreement that the page does not explain,
// for each explained one that is none, and for each explained id that is no vector of the file although it starts with prefix.
func Compare[V any](t *testing.T, file, page, prefix string, answer func(*testing.T, V) Case) {
	t.Helper()
	explained := explainedIn(t, page, prefix)
	agree, differ := 0, 0
	for _, v := range load[V](t, file) {
		c := answer(t, v)
		if c.Foreign {
			continue
		}
		switch {
		case c.Diff == "" && explained[c.ID]:
			t.Errorf("%s (%s) agrees, yet %s lists it as different", c.ID, c.Note, page)
		case c.Diff == "":
			agree++
		case explained[c.ID]:
			differ++
		default:
			t.Errorf("%s (%s), -reference +ours:\n%s", c.ID, c.Note, c.Diff)
		}
		delete(explained, c.ID)
	}
	for id := range explained {
		t.Errorf("%s lists %s, which is no case of %s", page, id, file)
	}
	t.Logf("conformance: %s: %d agree, %d differ on purpose", file, agree, differ)
}

func load[V any](t *testing.T, name string) []V {
	t.Helper()
	folder, gitops := "VECTORS", false
	if name, gitops = strings.CutPrefix(name, "gitops/"); gitops {
		folder = "GITOPS_VECTORS"
	}
	path := filepath.Join(os.Getenv(folder), name)
	if filepath.Ext(name) == ".yaml" {
		return documents[V](t, folder, path)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatalf("set %s to the folder of the conformance vectors: %v", folder, err)
	}
	defer file.Close()
	var all []V
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var v V
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func documents[V any](t *testing.T, folder, pattern string) []V {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("set %s to the folder of the conformance vectors: no file matches %s, error %v", folder, pattern, err)
	}
	all := make([]V, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// A word such as y or on is a text here, which it is not for readers of YAML 1.1.
		var tree any
		if err := yaml.Unmarshal(text, &tree); err != nil {
			t.Fatalf("reading %s: %v", file, err)
		}
		if text, err = json.Marshal(tree); err != nil {
			t.Fatalf("reading %s: %v", file, err)
		}
		if err := json.Unmarshal(text, &all[i]); err != nil {
			t.Fatalf("reading %s: %v", file, err)
		}
	}
	return all
}

// explainedIn reads the ids in the first column of the tables of a page. One cell may hold several, separated by spaces or commas.
func explainedIn(t *testing.T, page, prefix string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, id := range strings.FieldsFunc(cells[1], func(r rune) bool { return r == ' ' || r == ',' || r == '`' }) {
			if strings.HasPrefix(id, prefix) {
				ids[id] = true
			}
		}
	}
	return ids
}
