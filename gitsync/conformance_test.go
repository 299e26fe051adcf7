//go:build conformance

package gitsync

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/conformance"
)

const page = "../docs/compatibility/gitsync.md"

type windowsVector struct {
	ID, Title string
	Windows   []gitopsv1.SyncWindow
	App       struct {
		Name, Namespace string
		Destination     gitopsv1.Destination
	}
	Now      time.Time
	Started  *time.Time `json:"operationStartedAt"`
	Expected struct {
		Matched                                  []int
		Auto, Manual, RunningAuto, RunningManual *struct{ Allowed bool }
	}
}

// TestConformanceOfWindows compares when syncs may start and go on.
func TestConformanceOfWindows(t *testing.T) {
	conformance.Compare(t, "gitops/windows/cases.jsonl", page, "windows/", func(_ *testing.T, v windowsVector) conformance.Case {
		app := &gitopsv1.Application{}
		app.Name, app.Namespace, app.Spec.Destination = v.App.Name, v.App.Namespace, v.App.Destination
		want, got := map[string]any{"matched": append([]int{}, v.Expected.Matched...)}, map[string]any{"matched": append([]int{}, matchingWindows(v.Windows, app)...)}
		want["auto"], got["auto"] = v.Expected.Auto.Allowed, MayStart(v.Windows, app, v.Now, false).Allowed
		want["manual"], got["manual"] = v.Expected.Manual.Allowed, MayStart(v.Windows, app, v.Now, true).Allowed
		if v.Started != nil {
			want["runningAuto"], got["runningAuto"] = v.Expected.RunningAuto.Allowed, MayContinue(v.Windows, app, v.Now, *v.Started, false).Allowed
			want["runningManual"], got["runningManual"] = v.Expected.RunningManual.Allowed, MayContinue(v.Windows, app, v.Now, *v.Started, true).Allowed
		}
		return conformance.Case{ID: "windows/" + v.ID, Note: v.Title, Diff: cmp.Diff(want, got)}
	})
}

type projectVector struct {
	ID, Check, RepoURL, Namespace, Group, Kind, Name string
	Spec                                             gitopsv1.AppProjectSpec
	Cluster                                          Cluster
	Namespaced, Permitted                            bool
}

// TestConformanceOfProjects compares what projects permit.
func TestConformanceOfProjects(t *testing.T) {
	conformance.Compare(t, "gitops/project/cases.jsonl", page, "project/", func(_ *testing.T, v projectVector) conformance.Case {
		var got bool
		switch v.Check {
		case "source":
			got = PermitsSource(v.Spec, v.RepoURL)
		case "destination":
			got = PermitsDestination(v.Spec, v.Cluster, v.Namespace)
		case "kind":
			got = PermitsKind(v.Spec, GroupKind{v.Group, v.Kind}, v.Name, v.Namespaced)
		}
		return conformance.Case{ID: "project/" + v.ID, Note: v.Check, Diff: cmp.Diff(v.Permitted, got)}
	})
}

type timingVector struct {
	ID       string
	Retry    gitopsv1.RetryStrategy
	Waits    []string
	Error    any
	HealedBy []string `json:"waitsByAttemptsCount"`
}

// TestConformanceOfTiming compares the waits between attempts.
func TestConformanceOfTiming(t *testing.T) {
	conformance.Compare(t, "gitops/timing/retry.jsonl", page, "timing/", func(_ *testing.T, v timingVector) conformance.Case {
		var got []string
		for i := range v.Waits {
			wait, err := RetryWait(v.Retry, int64(i)+1)
			if err != nil {
				got = append(got, err.Error())
				continue
			}
			got = append(got, wait.String())
		}
		for i := range v.HealedBy {
			got = append(got, HealWait(int64(i)).String())
		}
		return conformance.Case{ID: "timing/" + v.ID, Diff: cmp.Diff(append(v.Waits, v.HealedBy...), got)}
	})
}

type orderVector struct {
	ID, Title, Quirk string
	Options          struct {
		Namespace, Revision                          string
		Prune, PruneLast, SkipHooks, CreateNamespace bool
		StartedAt                                    int64
	}
	Desired, Live []map[string]any
	Expected      struct {
		Order []struct {
			Phase, Op, ID string
			Wave          int
			Hook, Exists  bool
		}
		Steps []struct {
			Phase string
			Wave  int
			Prune []string
			Apply [][]string
		}
	}
}

// TestConformanceOfOrder compares in which order a sync does what.
func TestConformanceOfOrder(t *testing.T) {
	clusterScoped := strings.Fields(`Namespace StorageClass PersistentVolume CustomResourceDefinition ClusterRole ClusterRoleBinding IngressClass APIService
		PriorityClass ValidatingWebhookConfiguration`)
	conformance.Compare(t, "gitops/sync-order/cases.jsonl", page, "order/", func(_ *testing.T, v orderVector) conformance.Case {
		tasks := Order(objects(v.Desired), objects(v.Live), OrderOptions{
			Namespace: v.Options.Namespace, Revision: v.Options.Revision, StartedAt: time.Unix(v.Options.StartedAt, 0),
			Prune: v.Options.Prune, PruneLast: v.Options.PruneLast, SkipHooks: v.Options.SkipHooks, CreateNamespace: v.Options.CreateNamespace,
			Namespaced: func(k GroupKind) bool { return !slices.Contains(clusterScoped, k.Kind) },
		})
		var want, got []string
		for _, e := range v.Expected.Order {
			want = append(want, fmt.Sprintf("%s/%d %s hook=%t exists=%t %s", e.Phase, e.Wave, e.Op, e.Hook, e.Exists, e.ID))
		}
		for _, task := range tasks {
			op := "apply"
			if task.Prune {
				op = "prune"
			}
			got = append(got, fmt.Sprintf("%s/%d %s hook=%t exists=%t %s", task.Phase, task.Wave, op, task.Hook, task.Exists, idOf(task.Key)))
		}
		for _, e := range v.Expected.Steps {
			want = append(want, fmt.Sprint("step ", e.Phase, e.Wave, append([]string{}, e.Prune...), append([][]string{}, e.Apply...)))
		}
		for _, s := range Steps(tasks) {
			groups := [][]string{}
			for _, g := range s.Groups {
				groups = append(groups, ids(g))
			}
			got = append(got, fmt.Sprint("step ", string(s.Phase), s.Wave, ids(s.Prune), groups))
		}
		return conformance.Case{ID: "order/" + v.ID, Note: v.Title + " " + v.Quirk, Diff: cmp.Diff(want, got)}
	})
}

func objects(trees []map[string]any) (all []*unstructured.Unstructured) {
	for _, tree := range trees {
		all = append(all, &unstructured.Unstructured{Object: tree})
	}
	return all
}

func idOf(k Key) string { return k.Group + "/" + k.Kind + "/" + k.Namespace + "/" + k.Name }

func ids(tasks []Task) []string {
	all := []string{}
	for _, t := range tasks {
		all = append(all, idOf(t.Key))
	}
	return all
}

type diffVector struct {
	ID, Title, Quirk, TrackingMethod string
	Desired, Live                    map[string]any
	IgnoreDifferences                []gitopsv1.IgnoreDifference
	Overrides                        map[string]gitopsv1.IgnoreDifference
	Expected                         struct{ Modified bool }
}

// TestConformanceOfDiff compares which objects differ, by what can be told without the server.
func TestConformanceOfDiff(t *testing.T) {
	conformance.Compare(t, "gitops/diff/cases.jsonl", page, "diff/", func(t *testing.T, v diffVector) conformance.Case {
		rules := v.IgnoreDifferences
		for key, rule := range v.Overrides {
			rule.Group, rule.Kind, _ = strings.Cut(key, "/")
			rules = append(rules, rule)
		}
		got := v.Desired == nil || v.Live == nil
		if !got {
			desired, live := &unstructured.Unstructured{Object: v.Desired}, &unstructured.Unstructured{Object: v.Live}
			var err error
			if got, err = Differs(desired, live, IgnoredFor(rules, desired)); err != nil {
				t.Errorf("%s: %v", v.ID, err)
			}
		}
		return conformance.Case{ID: "diff/" + v.ID, Note: v.Title + " " + v.Quirk, Diff: cmp.Diff(v.Expected.Modified, got)}
	})
}
