package generate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/golden"
)

// Each folder of testdata holds an ApplicationSet with what its generators find, and what comes out; its name says what it shows.
func TestGolden(t *testing.T) {
	folders, err := filepath.Glob("testdata/*/in.yaml")
	if err != nil || len(folders) == 0 {
		t.Fatalf("found %d inputs, error %v", len(folders), err)
	}
	for _, file := range folders {
		folder := filepath.Dir(file)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var in struct {
				ApplicationSet gitopsv1.ApplicationSet
				Clusters       []Cluster
				World          world
			}
			if err := yaml.UnmarshalStrict(text, &in); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, filepath.Join(folder, "out.yaml"), story(t, Observation{Set: &in.ApplicationSet, Clusters: in.Clusters, Now: time.Unix(1e9, 0)}, in.World))
		})
	}
}

// story is what Generate gives, as YAML.
func story(t *testing.T, o Observation, w world) string {
	t.Helper()
	result, err := settle(t, o, w)
	var s strings.Builder
	if err != nil {
		return "# " + asError(err).Reason + ": " + err.Error() + "\n"
	}
	for _, n := range result.Notes {
		s.WriteString("# " + n.Reason + ": " + n.Message + "\n")
	}
	s.WriteString("# looks again after " + result.After.String() + "\n")
	for _, app := range result.Applications {
		object, err := tree(app)
		if err != nil {
			t.Fatal(err)
		}
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		s.WriteString("---\n" + string(text))
	}
	return s.String()
}
