package gatewayapi

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestAPathIsNarrowedToWhatBothMatch(t *testing.T) {
	exact := func(p string) *v1alpha1.StringMatch { return &v1alpha1.StringMatch{Exact: p} }
	prefix := func(p string) *v1alpha1.StringMatch { return &v1alpha1.StringMatch{Prefix: p} }
	regex := func(p string) *v1alpha1.StringMatch { return &v1alpha1.StringMatch{Regex: p} }
	const never, refused = "never", "refused"
	for _, c := range []struct {
		name, kind, value string
		narrow            *v1alpha1.StringMatch
		want              string
	}{
		{"nothing asked", typePrefix, "/a", nil, "PathPrefix /a"},
		{"everything narrowed to one path", typePrefix, "/", exact("/x"), "Exact /x"},
		{"everything narrowed to a regular expression", typePrefix, "/", regex("/x.*"), "RegularExpression /x.*"},
		{"a path inside the prefix", typePrefix, "/a", exact("/a/b"), "Exact /a/b"},
		{"the prefix itself", typePrefix, "/a", exact("/a"), "Exact /a"},
		{"a name that only begins alike", typePrefix, "/a", exact("/ab"), never},
		{"a longer prefix", typePrefix, "/a/", prefix("/a/b"), "PathPrefix /a/b"},
		{"a shorter prefix", typePrefix, "/a/b", prefix("/a"), "PathPrefix /a/b"},
		{"prefixes side by side", typePrefix, "/a", prefix("/b"), never},
		{"a path inside what is asked", typeExact, "/a/b", prefix("/a"), "Exact /a/b"},
		{"a path outside of what is asked", typeExact, "/a/b", prefix("/c"), never},
		{"the same path", typeExact, "/a", exact("/a"), "Exact /a"},
		{"another path", typeExact, "/a", exact("/b"), never},
		{"the same regular expression", typeRegex, "/a.*", regex("/a.*"), "RegularExpression /a.*"},
		{"two regular expressions", typeRegex, "/a.*", regex("/b.*"), refused},
		{"a regular expression and a prefix", typeRegex, "/a.*", prefix("/a"), refused},
		{"a prefix and a regular expression", typePrefix, "/a", regex("/a.*"), refused},
		{"two comparisons at once", typePrefix, "/", &v1alpha1.StringMatch{Exact: "/a", Prefix: "/b"}, refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			match := map[string]any{"path": map[string]any{"type": c.kind, "value": c.value}}
			possible, err := mergePath(match, c.narrow)
			path := match["path"].(map[string]any)
			got := path["type"].(string) + " " + path["value"].(string)
			if err != nil {
				got = refused
			} else if !possible {
				got = never
			}
			if got != c.want {
				t.Errorf("got %s (error %v), want %s", got, err, c.want)
			}
		})
	}
}

func TestAMethodIsNarrowedToWhatBothMatch(t *testing.T) {
	for _, c := range []struct {
		name     string
		match    map[string]any
		possible bool
	}{
		{"none so far", map[string]any{}, true},
		{"the same", map[string]any{"method": "GET"}, true},
		{"another", map[string]any{"method": "PUT"}, false},
	} {
		possible, err := mergeMethod(c.match, &v1alpha1.StringMatch{Exact: "GET"})
		if err != nil || possible != c.possible {
			t.Errorf("%s: got %v, %v", c.name, possible, err)
		}
	}
}

func TestHeadersAreAddedUnlessTheyAreThere(t *testing.T) {
	match := map[string]any{"headers": []any{map[string]any{"name": "x-a", "value": "1"}}}
	possible, err := mergeHeaders(match, []any{map[string]any{"name": "X-A", "type": typeExact, "value": "1"}, map[string]any{"name": "X-B", "type": typeRegex, "value": "2"}})
	want := map[string]any{"headers": []any{map[string]any{"name": "x-a", "value": "1"}, map[string]any{"name": "X-B", "type": typeRegex, "value": "2"}}}
	if diff := cmp.Diff(want, match); err != nil || !possible || diff != "" {
		t.Errorf("possible %v, error %v (-want +got):\n%s", possible, err, diff)
	}
}
