package generate

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// flatten writes the leaves of a tree under keys joined by dots, as plain placeholders name them; list items have their number as key.
func flatten(into Params, prefix string, value any) {
	key := func(name string) string {
		if prefix == "" {
			return name
		}
		return prefix + "." + name
	}
	switch v := value.(type) {
	case map[string]any:
		for name, child := range v {
			flatten(into, key(name), child)
		}
	case []any:
		for i, child := range v {
			flatten(into, key(strconv.Itoa(i)), child)
		}
	default:
		into[prefix] = fmt.Sprint(v)
	}
}

// addValues renders the values of a generator with the parameters that it has found and adds them, as values.
func (r *run) addValues(at string, values map[string]string, params Params) error {
	if len(values) == 0 {
		return nil
	}
	rendered := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text, err := r.language.render(values[name], params)
		if err != nil {
			return fmt.Errorf("rendering %s.values.%s: %w", at, name, err)
		}
		rendered[name] = text
	}
	if r.Set.Spec.GoTemplate {
		params["values"] = rendered
		return nil
	}
	flatten(params, "values", rendered)
	return nil
}

// joined is a set of the first generator of a matrix together with one of the second. Plain keys must not contradict each other; with Go
// templates maps are merged and the first generator wins.
func (r *run) joined(first, second Params) (Params, error) {
	if r.Set.Spec.GoTemplate {
		return merged(second, first), nil
	}
	all := maps.Clone(second)
	for key, value := range first {
		if other, ok := second[key]; ok && !reflect.DeepEqual(other, value) {
			return nil, fmt.Errorf("both generators give the parameter %s, with different values; rename one", key)
		}
		all[key] = value
	}
	return all, nil
}

// merged is base with what over has as well or instead; maps are merged, everything else is replaced. Neither argument is changed.
func merged(base, over map[string]any) map[string]any {
	all := maps.Clone(base)
	if all == nil {
		all = map[string]any{}
	}
	for key, value := range over {
		deep, isMap := value.(map[string]any)
		under, hasMap := all[key].(map[string]any)
		if isMap && hasMap {
			value = merged(under, deep)
		}
		all[key] = value
	}
	return all
}

// cloned is a deep copy of the maps and lists of a tree.
func cloned(value any) any {
	switch v := value.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for key, child := range v {
			c[key] = cloned(child)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, child := range v {
			c[i] = cloned(child)
		}
		return c
	}
	return value
}

const maxDNSName = 253

var (
	outsideDNS  = regexp.MustCompile(`[^-a-z0-9.]`)
	outsideSlug = regexp.MustCompile(`[^a-z0-9_-]+`)
	dashes      = regexp.MustCompile(`-+`)
)

// normalize makes a text a DNS subdomain name: lower case, at most 253 characters, and a dash for what is not allowed.
func normalize(text string) string {
	text = outsideDNS.ReplaceAllString(strings.ToLower(text), "-")
	if len(text) > maxDNSName {
		text = text[:maxDNSName]
	}
	return strings.Trim(text, "-.")
}

const maxSlug = 50

// slug makes a text words of plain letters and digits joined by dashes, of at most size bytes; whole words only if asked to.
func slug(text string, size int, words bool) string {
	text = strings.NewReplacer("&", " and ", "@", " at ").Replace(text)
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(text))
	plain = dashes.ReplaceAllString(outsideSlug.ReplaceAllString(strings.ToLower(plain), "-"), "-")
	plain = strings.Trim(plain, "-_")
	if size <= 0 || len(plain) <= size {
		return plain
	}
	cut := plain[:size]
	if end := strings.LastIndex(plain[:size+1], "-"); words && end > 0 {
		cut = plain[:end]
	}
	return strings.Trim(cut, "-_")
}
