package sandbox

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// Each text is refused or rendered in bounded time and memory. The bounds are generous, so that a slow machine does not fail; without them
// these templates run for hours or take all memory there is.
func TestHostileTemplatesAreBounded(t *testing.T) {
	big := strings.Repeat("a", 500_000)
	params := Params{"big": big, "accents": strings.Repeat("é", 200_000) + "x", "braces": `"} or vector(0) # {{ .secret }}`}
	for _, c := range []struct{ name, text, want string }{
		{"a loop without an end", `{{range 1000000000}}{{end}}`, "steps"},
		{"loops in loops", `{{range 10000}}{{range 10000}}{{range 10000}}{{end}}{{end}}{{end}}`, "steps"},
		{"a long list", `{{until 1000000000}}`, "too large"},
		{"a long list in steps", `{{untilStep 0 2000000000 1}}`, "too large"},
		{"a list that runs backwards", `{{untilStep 2000000000 -2000000000 -1}}`, "too large"},
		{"a long sequence", `{{seq 1000000000}}`, "too large"},
		{"a long sequence in steps", `{{seq 1 1 1000000000}}`, "too large"},
		{"a repeated text", `{{repeat 1000000000 "x"}}`, "too large"},
		{"a repeated text whose size overflows", `{{repeat 9000000000000000000 "xxxx"}}`, "too large"},
		{"a doubled text", `{{$x := "aaaaaaaa"}}{{range 60}}{{$x = cat $x $x}}{{end}}`, "too large"},
		{"a doubled list", `{{$x := list 1}}{{range 60}}{{$x = list $x $x}}{{end}}{{$x}}`, "too large"},
		{"a doubled map", `{{$x := dict}}{{range 60}}{{$x = dict "a" $x "b" $x}}{{end}}{{toJson $x}}`, "too large"},
		{"a map that grows behind the back of another", `{{$d := dict}}{{$p := list $d $d $d $d $d $d $d $d $d $d}}{{range $i := 3000}}{{$_ := set $d (toString $i) "0123456789012345678901234567890123456789"}}{{end}}{{range 9}}{{$p}}{{end}}`, "steps"},
		{"a map inside itself", `{{$d := dict}}{{$_ := set $d "d" $d}}{{range 30}}{{$_ := set $d "d" $d}}{{$_ := merge $d (dict "e" $d)}}{{end}}{{$d | toJson}}`, "too large"},
		{"a wide field", `{{printf "%999999999d" 1}}`, "too large"},
		{"a width that is an argument", `{{printf "%*d" 1000000 1}}`, "too large"},
		{"an argument many times", `{{printf "` + strings.Repeat("%[1]s", 1000) + `" .big}}`, "too large"},
		{"many replacements", `{{replace "a" .big .big}}`, "too large"},
		{"a wide separator", `{{join .big (splitList "a" .big)}}`, "too large"},
		{"many spaces", `{{indent 1000000000 "a"}}`, "too large"},
		{"a deep value that is indented", `{{$x := dict "a" 1}}{{range 5000}}{{$x = dict "a" $x}}{{end}}{{toPrettyJson $x}}`, "steps"},
		{"a large expression over a large text", `{{regexMatch (repeat 2000 "(a|b)*c") .big}}`, "too large"},
		{"repetitions of an expression", `{{regexMatch "(a{0,30}){0,30}b" .big}}`, "too large"},
		{"the classic expression", `{{regexMatch "(a+)+$" (trunc 1000 .big)}}`, ""},
		{"many matches of one thing", `{{regexReplaceAll "." .big "$0$0$0$0$0$0$0$0$0$0$0$0"}}`, "too large"},
		{"a set of many letters", `{{trimAll .accents .accents}}`, "too large"},
		{"a list compared with itself", `{{uniq (splitList "a" .big)}}`, "too large"},
		{"a template that calls itself", `{{define "t"}}{{template "t"}}{{end}}{{template "t"}}`, "calls itself"},
		{"templates that call each other", `{{define "a"}}{{template "b"}}{{end}}{{define "b"}}{{template "a"}}{{end}}{{template "a"}}`, "calls itself"},
		{"templates that call ten others", ladder(12), "steps"},
		{"a long text", `{{range 100}}{{$.big}}{{end}}`, "grows beyond"},
		{"deep parentheses", "{{" + strings.Repeat("(", 100_000) + "1" + strings.Repeat(")", 100_000) + "}}", "max"},
		{"deep conditions", strings.Repeat("{{if 1}}", 12_000) + strings.Repeat("{{end}}", 12_000), ""},
		{"a long template", strings.Repeat("x", 300_000) + "{{.big}}", "bytes"},
		{"a bomb of aliases", `{{fromYaml "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]"}}`, "alias"},
		{"a panic in a function", `{{chunk 0 (list 1 2)}}`, "chunk"},
		{"the environment", `{{env "PATH"}}`, "looks at the machine"},
		{"a name server", `{{getHostByName "localhost"}}`, "looks at the machine"},
		{"chance", `{{randAlphaNum 8}}`, "another result each time"},
		{"a costly password", `{{derivePassword 1 "long" "p" "u" "s"}}`, "costs too much"},
		{"what looks like a template in a value", `{{.braces}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			got, err := open(t, true).Text(c.text, params, "x")
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %d bytes and %.300v, want an error about %q", len(got), err, c.want)
			}
			if len(got) > maxText {
				t.Errorf("the text has %d bytes", len(got))
			}
			if took > time.Minute {
				t.Errorf("it took %v", took)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 2<<30 {
				t.Errorf("it took %d MiB in all", used>>20)
			}
		})
	}
}

// ladder is templates that each call the next one ten times.
func ladder(n int) string {
	var s strings.Builder
	for i := range n {
		s.WriteString(`{{define "t` + string(rune('a'+i)) + `"}}`)
		for range 10 {
			s.WriteString(`{{template "t` + string(rune('a'+i+1)) + `"}}`)
		}
		s.WriteString(`{{end}}`)
	}
	return s.String() + `{{define "t` + string(rune('a'+n)) + `"}}{{end}}{{template "ta"}}`
}

func TestPlaceholdersAreBounded(t *testing.T) {
	s := open(t, false)
	if _, err := s.Text(strings.Repeat("{{a}}", 1000), Params{"a": strings.Repeat("x", 10_000)}, "x"); err == nil {
		t.Error("a text of 10 MB was rendered")
	}
	for range 100 {
		if _, err := s.Text(strings.Repeat("{{a}}", 10), Params{"a": strings.Repeat("x", 100_000)}, "x"); err != nil {
			return
		}
	}
	t.Error("100 MB were rendered out of the budget of one set")
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{
		"{{a}}", "{{ .a }}", "{{range .l}}{{.}}{{end}}", `{{ .a | upper | quote }}`, "{{", "}}", "{{a}", `{{define "x"}}{{end}}`,
		`{{$x := dict "a" .}}{{set $x "b" $x | toYaml}}`, `{{range 9}}{{repeat 9 "x"}}{{end}}`, `{{printf "%9d" 1}}`, `{{seq 1 2 9}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, template string) {
		params := Params{"a": "text", "l": []any{"x", 1.0, nil, map[string]any{"k": "v"}}}
		for _, goTemplate := range []bool{false, true} {
			first, err := open(t, goTemplate).Text(template, params, "x")
			again, errAgain := open(t, goTemplate).Text(template, params, "x")
			if first != again || (err == nil) != (errAgain == nil) {
				t.Errorf("%q gave %q and then %q (%v, %v)", template, first, again, err, errAgain)
			}
			if err == nil && len(first) > maxText {
				t.Errorf("%d bytes", len(first))
			}
		}
	})
}
