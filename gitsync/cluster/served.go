package cluster

import (
	"context"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// servedWithin is how long a new kind may take to be served, askServed how often it is looked.
	servedWithin = 10 * time.Second
	askServed    = 50 * time.Millisecond
)

// awaitServed waits until the objects of a definition that was applied can be written, because the same operation may go on with them. That this takes
// too long is no error here: whatever needs the kind says that it is missing.
func (c *Cluster) awaitServed(ctx context.Context, definition *unstructured.Unstructured) {
	group, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
	plural, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "plural")
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	_ = wait.PollUntilContextTimeout(ctx, askServed, servedWithin, true, func(ctx context.Context) (bool, error) {
		for _, v := range versions {
			version, _ := v.(map[string]any)
			name, _ := version["name"].(string)
			if version["served"] != true {
				continue
			}
			if answer, err := c.ask(ctx, "apis", group, name, plural+"?limit=1"); err != nil || answer == http.StatusNotFound {
				return false, nil //nolint:nilerr // it is asked again
			}
		}
		return true, nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for gvk, w := range c.watched {
		if gvk.Group == group && w.err != nil { // it may be served now
			c.watched[gvk] = &watch{users: w.users}
		}
	}
}
