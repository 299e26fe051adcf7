package cluster

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-delivery/sluice/gitsync"
)

// exported is a manifest as somebody read it from a cluster and put it into Git.
func exported(owner string) *unstructured.Unstructured {
	o := settingsOf(owner)
	o.SetResourceVersion("4711")
	o.SetUID("of-another-cluster")
	o.SetGeneration(7)
	o.SetSelfLink("/api/v1/namespaces/shop/configmaps/settings")
	o.Object["status"] = map[string]any{"phase": "Done"}
	_ = unstructured.SetNestedField(o.Object, time.Now().UTC().Format(time.RFC3339), "metadata", "creationTimestamp")
	_ = unstructured.SetNestedSlice(o.Object, []any{map[string]any{"manager": "kubectl", "operation": "Apply"}}, "metadata", "managedFields")
	return o
}

func TestAManifestThatWasReadFromAClusterIsAppliedLikeAnyOther(t *testing.T) {
	for name, replace := range map[string]bool{"by an apply": false, "by a replacement": true} {
		t.Run(name, func(t *testing.T) {
			server, w := writerTo(t, configMap)
			var live *unstructured.Unstructured
			for _, owner := range []string{"made", "changed"} {
				write := gitsync.Write{Object: exported(owner), Live: live, Replace: replace}
				tried, err := w.DryRun(t.Context(), write)
				if err != nil || tried.Problem != "" {
					t.Fatalf("%s: trying it out gives %+v, %v", owner, tried, err)
				}
				if outcome, err := w.Apply(t.Context(), write); err != nil || outcome.Problem != "" {
					t.Fatalf("%s: applying it gives %+v, %v", owner, outcome, err)
				}
				for _, o := range server.Objects() {
					live = o
				}
				if got, _, _ := unstructured.NestedString(live.Object, "data", "owner"); got != owner {
					t.Errorf("it holds %s, want %s", got, owner)
				}
				if live.GetUID() == "of-another-cluster" || live.GetResourceVersion() == "4711" {
					t.Errorf("it is %s at %s", live.GetUID(), live.GetResourceVersion())
				}
			}
		})
	}
}
