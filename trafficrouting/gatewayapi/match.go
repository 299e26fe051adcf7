package gatewayapi

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Types of a match in the Gateway API.
const (
	typeExact  = "Exact"
	typePrefix = "PathPrefix"
	typeRegex  = "RegularExpression"
)

// refineMatches narrows each match of a rule; those that can no longer match anything are left out.
// A rule without matches takes every request, which is one empty match.
func refineMatches(base map[string]any, narrow func(match map[string]any) (possible bool, err error)) ([]any, error) {
	list := objects(base["matches"])
	if len(list) == 0 {
		list = []map[string]any{{}}
	}
	var refined []any
	for _, match := range list {
		match = runtime.DeepCopyJSON(match)
		possible, err := narrow(match)
		if err != nil {
			return nil, err
		}
		if possible {
			refined = append(refined, match)
		}
	}
	return refined, nil
}

// headerMatch translates one header; the Gateway API has no prefix for headers, so that becomes an escaped regular expression.
func headerMatch(name string, value *v1alpha1.StringMatch) (map[string]any, error) {
	kind, text, err := comparison(value)
	if err != nil {
		return nil, fmt.Errorf("header %s: %w", name, err)
	}
	if kind == typePrefix {
		kind, text = typeRegex, regexp.QuoteMeta(text)+".*"
	}
	return map[string]any{"type": kind, "name": name, "value": text}, nil
}

// comparison reads which one of the three kinds of a StringMatch is set.
func comparison(m *v1alpha1.StringMatch) (kind, value string, err error) {
	set := 0
	if m != nil {
		for _, c := range []struct{ kind, value string }{{typeExact, m.Exact}, {typePrefix, m.Prefix}, {typeRegex, m.Regex}} {
			if c.value != "" {
				kind, value, set = c.kind, c.value, set+1
			}
		}
	}
	if set != 1 {
		return "", "", errors.New("set exactly one of exact, prefix and regex")
	}
	return kind, value, nil
}

// mergeHeaders adds headers to a match. A gateway looks only at the first match for a header, so two different ones cannot both hold.
func mergeHeaders(match map[string]any, headers []any) (possible bool, err error) {
	list, _ := match["headers"].([]any)
	for _, item := range headers {
		header := item.(map[string]any)
		i := slices.IndexFunc(list, func(present any) bool {
			other, _ := present.(map[string]any)
			name, _ := other["name"].(string)
			return strings.EqualFold(name, header["name"].(string))
		})
		if i < 0 {
			list = append(list, runtime.DeepCopyJSON(header))
			continue
		}
		other := list[i].(map[string]any)
		kind := orElse(other["type"], typeExact)
		switch {
		case kind == header["type"] && other["value"] == header["value"]:
		case kind == typeExact && header["type"] == typeExact:
			return false, nil
		default:
			return false, fmt.Errorf("the header %v is matched already by another comparison, and a gateway looks only at the first", header["name"])
		}
	}
	match["headers"] = list
	return true, nil
}

// mergeRequest narrows a match to the requests that a mirror asks for.
func mergeRequest(kind string, match map[string]any, narrow v1alpha1.RouteMatch) (possible bool, err error) {
	if kind != kindHTTP && (narrow.Method != nil || narrow.Path != nil) {
		return false, fmt.Errorf("a %s has no HTTP method and path to match; match the mirror by header", kind)
	}
	if possible, err := mergeMethod(match, narrow.Method); err != nil || !possible {
		return false, err
	}
	if possible, err := mergePath(match, narrow.Path); err != nil || !possible {
		return false, err
	}
	var headers []any
	for _, name := range slices.Sorted(maps.Keys(narrow.Headers)) {
		value := narrow.Headers[name]
		header, err := headerMatch(name, &value)
		if err != nil {
			return false, err
		}
		headers = append(headers, header)
	}
	if len(headers) == 0 {
		return true, nil
	}
	return mergeHeaders(match, headers)
}

func mergeMethod(match map[string]any, method *v1alpha1.StringMatch) (possible bool, err error) {
	if method == nil {
		return true, nil
	}
	kind, value, err := comparison(method)
	if err != nil {
		return false, fmt.Errorf("method: %w", err)
	}
	if kind != typeExact {
		return false, errors.New("method: a gateway compares the method as a whole; use exact")
	}
	if present, ok := match["method"]; ok {
		return present == value, nil
	}
	match["method"] = value
	return true, nil
}

// mergePath narrows the path of a match to what both it and the mirror match.
func mergePath(match map[string]any, path *v1alpha1.StringMatch) (possible bool, err error) {
	if path == nil {
		return true, nil
	}
	kind, value, err := comparison(path)
	if err != nil {
		return false, fmt.Errorf("path: %w", err)
	}
	present, _ := match["path"].(map[string]any)
	asked := pathMatch{kind, value}
	both, possible, err := intersect(pathMatch{orElse(present["type"], typePrefix), orElse(present["value"], "/")}, asked)
	if both == asked && possible {
		match["path"] = map[string]any{"type": kind, "value": value}
	}
	return possible, err
}

type pathMatch struct{ kind, value string }

// intersect gives what both a rule and a mirror match, which is always one of the two if there is anything at all.
func intersect(rule, mirror pathMatch) (both pathMatch, possible bool, err error) {
	switch {
	case rule == mirror:
		return rule, true, nil
	case rule == pathMatch{typePrefix, "/"}:
		return mirror, true, nil
	case rule.kind == typeRegex || mirror.kind == typeRegex:
		return rule, false, errors.New("path: a regular expression cannot be combined with the path that the rule matches; use exact or prefix")
	case rule.kind == typePrefix && covers(rule.value, mirror.value):
		return mirror, true, nil
	case mirror.kind == typePrefix && covers(mirror.value, rule.value):
		return rule, true, nil
	}
	return rule, false, nil
}

// covers compares by path elements, as the Gateway API does: /a covers /a and /a/b, but not /ab.
func covers(prefix, path string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// replacesPrefix reports whether a filter of the rule or of a backend rewrites the prefix that was matched.
func replacesPrefix(body map[string]any) bool {
	filters := objects(body["filters"])
	for _, ref := range objects(body["backendRefs"]) {
		filters = append(filters, objects(ref["filters"])...)
	}
	return slices.ContainsFunc(filters, func(filter map[string]any) bool {
		rewrite, _ := filter["urlRewrite"].(map[string]any)
		path, _ := rewrite["path"].(map[string]any)
		return path["type"] == "ReplacePrefixMatch"
	})
}

// samePaths reports whether every match has the path of a match of the rule.
func samePaths(matches []any, base map[string]any) bool {
	return !slices.ContainsFunc(matches, func(m any) bool {
		path := m.(map[string]any)["path"]
		return !slices.ContainsFunc(objects(base["matches"]), func(b map[string]any) bool { return reflect.DeepEqual(b["path"], path) })
	})
}
