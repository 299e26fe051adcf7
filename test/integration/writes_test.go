package integration

import (
	"fmt"
	"maps"
	"testing"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// mostWrites is how many writes one release may cost, events apart.
const mostWrites = 24

func TestAReleaseThroughAnHTTPRouteNeedsFewWritesWhateverItsSize(t *testing.T) {
	for _, replicas := range []int32{4, 40} {
		t.Run(fmt.Sprintf("%d pods", replicas), func(t *testing.T) {
			t.Parallel()
			namespace := newNamespace(t)
			r, around := routed(namespace, replicas, weights(10, 25, 50, 100)...)
			create(t, append(around, r)...)
			await(t, r, "version 1 is healthy", healthy)
			before := writes(t, namespace)
			edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
			await(t, r, "version 2 is healthy", healthy)
			released := writes(t, namespace)
			maps.DeleteFunc(released, func(kind string, n int) bool { released[kind] = n - before[kind]; return released[kind] == 0 })
			t.Logf("a release with %d pods: %v", replicas, released)
			if released["total"] > mostWrites {
				t.Errorf("%d writes are more than %d", released["total"], mostWrites)
			}
		})
	}
}

// writes counts the writes of the controller in a namespace by verb and resource.
func writes(t *testing.T, namespace string) map[string]int {
	t.Helper()
	all, err := requests()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, sent := range all {
		if sent.isWrite() && sent.ObjectRef.Namespace == namespace {
			counts[sent.String()]++
			counts["total"]++
		}
	}
	return counts
}
