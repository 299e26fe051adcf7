//go:build conformance

package gitsync

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
