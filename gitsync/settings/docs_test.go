package settings

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/health"
)

var example = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestTheExamplesOfTheDocumentationWork reads the examples of the page on health as settings, and judges an object by each.
func TestTheExamplesOfTheDocumentationWork(t *testing.T) {
	page, err := os.ReadFile("../../docs/health.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]gitsync.HealthStatus{}
	for _, found := range example.FindAllStringSubmatch(string(page), -1) {
		var block struct {
			Data map[string]string `json:"data"`
		}
		if err := yaml.Unmarshal([]byte(found[1]), &block); err != nil {
			t.Fatal(err)
		}
		if block.Data == nil {
			if err := yaml.Unmarshal([]byte(found[1]), &block.Data); err != nil {
				t.Fatal(err)
			}
		}
		s := Read(block.Data)
		if len(s.Problems) > 0 || len(s.Health.Rules) != 1 {
			t.Errorf("problems %v in\n%s", s.Problems, found[1])
		}
		for name := range s.Health.Rules {
			group, kind, _ := strings.Cut(name, "/")
			o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": group + "/v1", "kind": kind}}
			h := health.New(s.Health).Assess(o, time.Unix(0, 0))
			if h.Problem != "" {
				t.Error(h.Problem)
			}
			kinds[kind] = h.Status
		}
	}
	if kinds["Widget"] != gitsync.Progressing || kinds["Application"] != gitsync.Progressing {
		t.Errorf("verdicts %v", kinds)
	}
}
