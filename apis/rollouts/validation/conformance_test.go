//go:build conformance

package validation

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

type vector struct {
	ID, Kind, Note string
	Rollout        v1alpha1.Rollout
	Services       []corev1.Service
	Templates      []v1alpha1.AnalysisTemplate `json:"analysisTemplates"`
	Expect         struct {
		Errors []struct{ Path, Type string }
	}
}

// Services and manifests of a Rollout; what the analyses of templates come to is compared where runs are composed.
func TestConformanceOfValidation(t *testing.T) {
	different := onPurpose(t, "../../../docs/compatibility/validation.md")
	agree, differ := 0, 0
	for _, v := range vectors(t) {
		var got []string
		switch {
		case v.Kind == "Rollout":
			got = pathsAndTypes(Rollout(&v.Rollout))
		case v.Kind == "References" && len(v.Templates) == 0:
			got = pathsAndTypes(References(&v.Rollout, Referenced{Services: byName(v.Services)}))
		default:
			continue
		}
		want := []string{}
		for _, e := range v.Expect.Errors {
			want = append(want, e.Path+" "+e.Type)
		}
		diff := cmp.Diff(want, got)
		switch {
		case diff == "" && different[v.ID]:
			t.Errorf("%s (%s) agrees, yet docs/compatibility/validation.md lists it as different", v.ID, v.Note)
		case diff == "":
			agree++
		case different[v.ID]:
			differ++
		default:
			t.Errorf("%s (%s), -reference +ours:\n%s", v.ID, v.Note, diff)
		}
		delete(different, v.ID)
	}
	for id := range different {
		t.Errorf("docs/compatibility/validation.md lists %s, which is no vector", id)
	}
	t.Logf("conformance: validation %d/%d agree, %d differ on purpose", agree, agree+differ, differ)
}

func vectors(t *testing.T) []vector {
	t.Helper()
	file, err := os.Open(filepath.Join(os.Getenv("VECTORS"), "validation.jsonl"))
	if err != nil {
		t.Fatalf("set VECTORS to the folder of the conformance vectors: %v", err)
	}
	defer file.Close()
	var all []vector
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
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

// onPurpose reads the ids from the table of a compatibility page, so that the page and the test cannot part.
func onPurpose(t *testing.T, page string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 2 && strings.HasPrefix(strings.TrimSpace(cells[1]), "valid-") {
			ids[strings.TrimSpace(cells[1])] = true
		}
	}
	return ids
}

func byName(services []corev1.Service) map[string]*corev1.Service {
	named := map[string]*corev1.Service{}
	for i := range services {
		named[services[i].Name] = &services[i]
	}
	return named
}

func pathsAndTypes(errs field.ErrorList) []string {
	lines := []string{}
	for _, e := range errs {
		lines = append(lines, e.Field+" "+string(e.Type))
	}
	return lines
}
