package sandbox

import (
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, goTemplate bool, options ...string) *Sandbox {
	t.Helper()
	s, err := New(Options{GoTemplate: goTemplate, GoTemplateOptions: options, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPlaceholdersTakeTextsAndLeaveTheRest(t *testing.T) {
	params := Params{"name": "web", "path[0]": "apps", "values.env": "prod", "n": 3.0, "braces": "{{name}}"}
	for _, c := range []struct{ name, text, want string }{
		{"a key", "{{name}}-app", "web-app"},
		{"spaces around a key", "{{  name }}", "web"},
		{"keys with dots and brackets", "{{path[0]}}/{{values.env}}", "apps/prod"},
		{"two in a row", "{{name}}{{name}}", "webweb"},
		{"an unknown key", "a {{ nope }} b", "a {{ nope }} b"},
		{"a number is no text", "{{n}}", "{{n}}"},
		{"an open placeholder", "{{name}} {{name", "web {{name"},
		{"braces that close nothing", "}} {{name}}", "}} web"},
		{"what a parameter holds is not filled again", "{{braces}}", "{{name}}"},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := open(t, false).Text(c.text, params, "x"); got != c.want || err != nil {
				t.Errorf("got %q, error %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestGoTemplates(t *testing.T) {
	params := Params{
		"name": "Web_App.1", "n": 3.0, "list": []any{"x", "y"}, "deep": map[string]any{"a": map[string]any{"b": "c"}}, "null": nil,
		"branch": "feature/Überfall & more of the same, which is far too long for a name",
	}
	for _, c := range []struct{ name, text, want string }{
		{"a field", "{{.name}}", "Web_App.1"},
		{"a nested field", "{{.deep.a.b}}", "c"},
		{"a number is written without a fraction", "{{.n}}", "3"},
		{"a missing key", "{{.nope}}", "<no value>"},
		{"a key that is null", "{{.null}}", "<no value>"},
		{"a map is written as Go writes it", "{{.deep}}", "map[a:map[b:c]]"},
		{"functions of sprig", `{{.name | lower | replace "_" "-" | trunc 3}}`, "web"},
		{"normalize", "{{normalize .name}}", "web-app.1"},
		{"slugify", "{{slugify .branch}}", "feature-uberfall-and-more-of-the-same-which-is-far"},
		{"slugify with a length", "{{slugify 12 false .branch}}", "feature-uber"},
		{"slugify with whole words", "{{slugify 12 true .branch}}", "feature"},
		{"toYaml", "{{toYaml .deep}}", "a:\n  b: c"},
		{"fromYaml", `{{(fromYaml "x: 5").x}}`, "5"},
		{"fromYamlArray", `{{index (fromYamlArray "[1, 2]") 1}}`, "2"},
		{"a loop", "{{range .list}}<{{.}}>{{else}}none{{end}}", "<x><y>"},
		{"a loop over nothing", "{{range .nope}}x{{else}}none{{end}}", "none"},
		{"a named template", `{{define "t"}}[{{.}}]{{end}}{{template "t" .name}}`, "[Web_App.1]"},
		{"variables", `{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}`, "2"},
		{"with", `{{with .deep.a}}{{.b}}{{end}}`, "c"},
		{"break", `{{range .list}}{{.}}{{break}}{{end}}`, "x"},
		{"printf", `{{printf "%05.1f|%s|%v" .n .name .list}}`, "003.0|Web_App.1|[x y]"},
		{"keys come in order", `{{range $i, $k := keys (dict "b" 1 "a" 2 "c" 3)}}{{$k}}{{end}}`, "abc"},
		{"values come in the order of their keys", `{{values (dict "b" 1 "a" 2)}}`, "[2 1]"},
		{"merge", `{{(merge (dict "a" 1) (dict "a" 2 "b" 3)) | toJson}}`, `{"a":1,"b":3}`},
		{"mergeOverwrite", `{{(mergeOverwrite (dict "a" 1) (dict "a" 2)).a}}`, "2"},
		{"set changes its argument", `{{$d := dict}}{{$_ := set $d "k" "v"}}{{$d.k}}`, "v"},
		{"the time is that of the pass", `{{now | date "2006-01-02T15:04"}} {{ago now}}`, "2024-05-06T12:00 0s"},
		{"a date in a zone", `{{dateInZone "15:04" now "Europe/Berlin"}}`, "14:00"},
		{"join, indent and until", `{{until 3 | join ","}}{{nindent 2 "x"}}`, "0,1,2\n  x"},
		{"a regular expression", `{{regexReplaceAll "a+" "baac" "${0}x"}}`, "baaxc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := open(t, true).Text(c.text, params, "x"); got != c.want || err != nil {
				t.Errorf("got %q, error %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestATemplateDoesNotChangeItsParameters(t *testing.T) {
	params := Params{"m": map[string]any{"a": "1"}}
	s := open(t, true)
	for range 2 {
		got, err := s.Text(`{{hasKey .m "b"}}{{$_ := set .m "b" "2"}}{{.m.b}}`, params, "x")
		if got != "false2" || err != nil {
			t.Errorf("got %q, error %v", got, err)
		}
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	for _, c := range []struct {
		name, text, part string
		options          []string
	}{
		{"a missing key with missingkey=error", "{{.nope}}", `no entry for key "nope"`, []string{"missingkey=error"}},
		{"a template that cannot be read", "{{ if }}", "missing value for if", nil},
		{"an unknown function", "{{ frobnicate }}", "frobnicate", nil},
		{"fail", `{{ fail "needs a region" }}`, "needs a region", nil},
		{"broken YAML", `{{ fromYaml "[" }}`, "reading YAML", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := open(t, true, c.options...).Text(c.text, Params{}, "template.metadata.name")
			if err == nil || !strings.Contains(err.Error(), c.part) || !strings.Contains(err.Error(), "template.metadata.name") {
				t.Errorf("got %v, want an error about %q at its place", err, c.part)
			}
		})
	}
}

func TestUnknownOptionsAreRefused(t *testing.T) {
	if _, err := New(Options{GoTemplate: true, GoTemplateOptions: []string{"missingkey=panic"}}); err == nil {
		t.Error("an option that text/template panics at was taken")
	}
}

func TestATreeIsFilledWithItsKeys(t *testing.T) {
	s := open(t, false)
	got, err := s.Tree(map[string]any{"{{a}}": []any{"{{b}}", 1.0, true, nil}}, Params{"a": "x", "b": "y"}, "spec")
	if err != nil || !strings.Contains(text(got), "map[x:[y 1 true <nil>]]") {
		t.Errorf("got %v, error %v", got, err)
	}
	_, err = s.Tree(map[string]any{"{{a}}": "1", "{{b}}": "2"}, Params{"a": "x", "b": "x"}, "spec")
	if err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("two keys became one without a word: %v", err)
	}
}
