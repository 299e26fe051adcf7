package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

// Functions that are refused, by why. The contract leaves out the first three as well.
var refused = map[string][]string{
	"looks at the machine that it runs on": {"env", "expandenv", "getHostByName"},
	"gives another result each time": {
		"randAlphaNum", "randAlpha", "randAscii", "randNumeric", "randBytes", "randInt", "shuffle", "uuidv4", "bcrypt", "htpasswd", "encryptAES",
		"genPrivateKey", "genCA", "genCAWithKey", "genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey",
	},
	"costs too much": {"derivePassword"},
}

// functions are those of sprig with the ones of the contract, each bounded; none of them sees the clock or the machine.
func functions(now time.Time, b *budget) template.FuncMap {
	all := sprig.TxtFuncMap()
	maps.Copy(all, deterministic(all, now))
	maps.Copy(all, builtins)
	maps.Copy(all, template.FuncMap{
		"normalize": Normalize, "slugify": slugify,
		"toYaml": toYAML, "fromYaml": fromYAML[map[string]any], "fromYamlArray": fromYAML[[]any],
		textFunction: text,
	})
	for why, names := range refused {
		for _, name := range names {
			all[name] = func(...any) (string, error) {
				return "", fmt.Errorf("the function %s cannot be used here: it %s", name, why)
			}
		}
	}
	for name, f := range all {
		all[name] = bounded(name, f, b)
	}
	all[tickFunction] = func() (string, error) { return "", b.spend(0) }
	return all
}

// builtins are functions of text/template that write texts; they are named here to be bounded as well.
var builtins = template.FuncMap{
	"print": fmt.Sprint, "println": fmt.Sprintln, "printf": fmt.Sprintf,
	"html": template.HTMLEscaper, "js": template.JSEscaper, "urlquery": template.URLQueryEscaper,
}

// text is what an action writes: as text/template writes it.
func text(value any) string {
	if value == nil {
		return "<no value>"
	}
	return fmt.Sprint(value)
}

// bounded is a function that pays for its arguments and its result, and refuses to blow its arguments up. Panics become errors of the
// template.
func bounded(name string, f any, b *budget) any {
	inner := reflect.ValueOf(f)
	kind := inner.Type()
	return reflect.MakeFunc(kind, func(in []reflect.Value) []reflect.Value {
		args := make([]any, len(in))
		weight := 0
		for i, arg := range in {
			args[i] = arg.Interface()
			weight += weigh(args[i])
		}
		if weight > maxWeight {
			panic(fmt.Errorf("the arguments of %s are too large", name))
		}
		if grow, ok := growth[name]; ok {
			predicted := grow(args)
			if predicted > maxGrowth || predicted < 0 {
				panic(fmt.Errorf("the result of %s would be too large", name))
			}
			weight = max(weight, predicted)
		}
		pay(b, weight)
		var out []reflect.Value
		if kind.IsVariadic() {
			out = inner.CallSlice(in)
		} else {
			out = inner.Call(in)
		}
		pay(b, weigh(out[0].Interface()))
		return out
	}).Interface()
}

func pay(b *budget, weight int) {
	if err := b.spend(weight); err != nil {
		panic(err)
	}
}

// deterministic replaces functions of sprig that depend on the clock, the local time zone or the order of a map, and those that could tie
// a value into a knot: what they put into a map is copied first.
func deterministic(all template.FuncMap, now time.Time) template.FuncMap {
	merges := template.FuncMap{}
	for _, name := range []string{"merge", "mergeOverwrite"} {
		plain := all[name].(func(map[string]any, ...map[string]any) any)
		merges[name] = func(into map[string]any, from ...map[string]any) any { return plain(into, clonedMaps(from)...) }
	}
	for _, name := range []string{"mustMerge", "mustMergeOverwrite"} {
		plain := all[name].(func(map[string]any, ...map[string]any) (any, error))
		merges[name] = func(into map[string]any, from ...map[string]any) (any, error) {
			return plain(into, clonedMaps(from)...)
		}
	}
	maps.Copy(merges, template.FuncMap{
		"set": func(into map[string]any, key string, value any) map[string]any {
			into[key] = Clone(value)
			return into
		},
		"keys": func(of ...map[string]any) []string {
			var keys []string
			for _, m := range of {
				keys = append(keys, slices.Sorted(maps.Keys(m))...)
			}
			return keys
		},
		"values": func(of map[string]any) []any {
			var values []any
			for _, key := range slices.Sorted(maps.Keys(of)) {
				values = append(values, of[key])
			}
			return values
		},
		"now": func() time.Time { return now.UTC() },
		"ago": func(since any) string { return now.Sub(moment(since, now)).Round(time.Second).String() },
	})
	maps.Copy(merges, dates(now))
	return merges
}

// dates are the functions of sprig that write a moment; without a zone they mean UTC.
func dates(now time.Time) template.FuncMap {
	in := func(layout string, at any, zone string) string {
		place, err := time.LoadLocation(zone)
		if err != nil {
			place = time.UTC
		}
		return moment(at, now).In(place).Format(layout)
	}
	return template.FuncMap{
		"dateInZone": in, "date_in_zone": in,
		"date":           func(layout string, at any) string { return in(layout, at, "UTC") },
		"htmlDate":       func(at any) string { return in(time.DateOnly, at, "UTC") },
		"htmlDateInZone": func(at any, zone string) string { return in(time.DateOnly, at, zone) },
	}
}

// moment reads what the date functions of sprig take: a time or Unix seconds; anything else means now.
func moment(value any, now time.Time) time.Time {
	switch v := value.(type) {
	case time.Time:
		return v
	case *time.Time:
		return *v
	case int64:
		return time.Unix(v, 0)
	case int32:
		return time.Unix(int64(v), 0)
	case int:
		return time.Unix(int64(v), 0)
	}
	return now
}

func clonedMaps(all []map[string]any) []map[string]any {
	copies := make([]map[string]any, len(all))
	for i, m := range all {
		copies[i] = Clone(m).(map[string]any)
	}
	return copies
}

// slugify takes a text, and before it the greatest length and whether to keep words whole.
func slugify(args ...any) (string, error) {
	size, words, text := MaxSlug, false, ""
	for _, arg := range args {
		switch a := arg.(type) {
		case int:
			size = a
		case bool:
			words = a
		case string:
			text = a
		default:
			return "", fmt.Errorf("slugify takes a length, true or false, and a text, not %T", arg)
		}
	}
	return Slug(text, size, words), nil
}

func toYAML(value any) (string, error) {
	text, err := yaml.Marshal(value)
	return strings.TrimSuffix(string(text), "\n"), err
}

func fromYAML[T any](text string) (T, error) {
	var value T
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return value, errors.Join(errors.New("reading YAML"), err)
	}
	return value, nil
}
