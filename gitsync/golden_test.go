package gitsync

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/golden"
)

// catalogue runs a test for each folder under testdata/kind; the name of a folder says what it shows.
func catalogue(t *testing.T, kind string, show func(t *testing.T, folder string) string) {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join("testdata", kind, "*"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("found %d folders, error %v", len(folders), err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			golden.Compare(t, filepath.Join(folder, "out.yaml"), show(t, folder))
		})
	}
}

// filed are the objects of a file of a folder; none if there is no such file.
func filed(t *testing.T, folder, name string) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return parse(string(text))
}

// TestGoldenOrder shows what a sync does one after the other: git.yaml is what Git holds, live.yaml what lives, options.yaml what the sync is asked.
func TestGoldenOrder(t *testing.T) {
	catalogue(t, "order", func(t *testing.T, folder string) string {
		options := OrderOptions{
			Namespace: "prod", Revision: "0123456789abcdef0123456789abcdef01234567", StartedAt: time.Unix(1_800_000_000, 0), Prune: true,
			Namespaced: func(k GroupKind) bool {
				return k.Kind != "Namespace" && k.Kind != "CustomResourceDefinition" && !strings.HasPrefix(k.Kind, "ClusterRole")
			},
		}
		text, err := os.ReadFile(filepath.Join(folder, "options.yaml"))
		if err == nil {
			err = yaml.UnmarshalStrict(text, &struct {
				PruneLast, SkipHooks, CreateNamespace *bool
			}{&options.PruneLast, &options.SkipHooks, &options.CreateNamespace})
		}
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return itinerary(Order(filed(t, folder, "git.yaml"), filed(t, folder, "live.yaml"), options))
	})
}

// itinerary writes tasks as people read them.
func itinerary(tasks []Task) string {
	var s strings.Builder
	for _, step := range Steps(tasks) {
		fmt.Fprintf(&s, "- in: %s, wave %d\n", step.Phase, step.Wave)
		if len(step.Prune) > 0 {
			fmt.Fprintf(&s, "  prune: [%s]\n", named(step.Prune))
		}
		for i, group := range step.Groups {
			if i == 0 {
				s.WriteString("  apply:\n")
			}
			fmt.Fprintf(&s, "    - [%s]\n", named(group))
		}
	}
	for _, t := range tasks {
		if t.Phase == SyncFail {
			fmt.Fprintf(&s, "- after a failure: %s\n", named([]Task{t}))
		}
	}
	return s.String()
}

func named(tasks []Task) string {
	var all []string
	for _, t := range tasks {
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%s %s", t.Key.Kind, t.Key.Name), " "))
	}
	return strings.Join(all, ", ")
}

// TestGoldenDifferences shows how what Git holds differs from what lives, and what would be applied: git.yaml, live.yaml, and in app.yaml what the
// Application says of itself.
func TestGoldenDifferences(t *testing.T) {
	catalogue(t, "differences", func(t *testing.T, folder string) string {
		spec, err := os.ReadFile(filepath.Join(folder, "app.yaml"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		w := newWorld(string(spec))
		w.commits["aaaa"], w.head = filed(t, folder, "git.yaml"), "aaaa"
		for _, o := range filed(t, folder, "live.yaml") {
			if o.GetNamespace() == "" {
				o.SetNamespace("prod")
			}
			id := fmt.Sprintf("shop:%s/%s:prod/%s", o.GroupVersionKind().Group, o.GetKind(), o.GetName())
			annotations := o.GetAnnotations()
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[gitopsv1.AnnotationTrackingID] = id
			o.SetAnnotations(annotations)
			w.objects[KeyOf(o)] = o
		}
		o := w.observation()
		var s strings.Builder
		for _, it := range o.compare(o.Target) {
			fmt.Fprintf(&s, "- %s %s: %s\n", it.key.Kind, it.key.Name, verdict(it))
			if it.differs && it.desired != nil && it.live != nil {
				s.WriteString("  applied:\n" + indented(applied(t, it.desired)))
			}
		}
		return s.String()
	})
}

func verdict(it item) string {
	switch {
	case it.problem != "":
		return it.problem
	case it.desired == nil:
		return "only lives, and would be pruned"
	case it.live == nil:
		return "is missing, and would be made"
	case it.differs:
		return "differs"
	}
	return "is as Git holds it"
}

// applied is a manifest without what every object has of us.
func applied(t *testing.T, o *unstructured.Unstructured) string {
	t.Helper()
	o = o.DeepCopy()
	annotations := o.GetAnnotations()
	if delete(annotations, gitopsv1.AnnotationTrackingID); len(annotations) == 0 {
		annotations = nil
	}
	o.SetAnnotations(annotations)
	text, err := yaml.Marshal(o.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}
