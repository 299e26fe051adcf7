package analysis

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// maxFilled bounds what the arguments of a metric, or of all metrics of a run, add to it, in bytes: a long value may stand in many places.
const maxFilled = 2 << 20

// maxName is how much of a name an error repeats, in bytes.
const maxName = 100

// Fill replaces each {{args.NAME}} in the texts of a metric. A value cannot leave the text that it stands in: texts are replaced
// one by one, not in the JSON around them, and values are not searched for further arguments. In a Prometheus query a value inside
// of a string literal cannot end the literal either; see fillQuery.
//
// With secrets nil, arguments that refer to Secrets stay as they are written; otherwise each must be in secrets, by the name of
// the argument.
func Fill(m v1alpha1.Metric, args []v1alpha1.Argument, secrets map[string]string) (v1alpha1.Metric, error) {
	return newFiller(args, secrets).metric(m)
}

func newFiller(args []v1alpha1.Argument, secrets map[string]string) *filler {
	f := &filler{values: map[string]string{}, kept: map[string]bool{}}
	for _, a := range args {
		value, isSecret := secrets[a.Name]
		switch {
		case a.Value != nil:
			f.values[a.Name] = *a.Value
		case isSecret:
			f.values[a.Name] = value
		case secrets == nil && a.ValueFrom != nil && a.ValueFrom.SecretKeyRef != nil:
			f.kept[a.Name] = true
		}
	}
	return f
}

// SecretsOf lists the arguments whose values are in Secrets.
func SecretsOf(args []v1alpha1.Argument) []v1alpha1.Argument {
	return slices.DeleteFunc(slices.Clone(args), func(a v1alpha1.Argument) bool {
		return a.Value != nil || a.ValueFrom == nil || a.ValueFrom.SecretKeyRef == nil
	})
}

// filler replaces arguments by their values.
type filler struct {
	values map[string]string
	kept   map[string]bool
	filled int
}

func (f *filler) metric(m v1alpha1.Metric) (v1alpha1.Metric, error) {
	m = *m.DeepCopy()
	query := ""
	if p := m.Provider.Prometheus; p != nil {
		var err error
		if query, err = f.fillQuery(p.Query); err != nil {
			return m, err
		}
		p.Query = ""
	}
	data, err := json.Marshal(m)
	if err != nil {
		return m, fmt.Errorf("writing metric %s as JSON: %w", m.Name, err)
	}
	if data, err = f.document(data); err != nil {
		return m, err
	}
	out := v1alpha1.Metric{}
	if err := json.Unmarshal(data, &out); err != nil {
		return m, fmt.Errorf("reading metric %s with its arguments: %w", m.Name, err)
	}
	if out.Provider.Prometheus != nil {
		out.Provider.Prometheus.Query = query
	}
	return out, nil
}

// document fills all texts and keys of a JSON document; numbers keep their digits.
func (f *filler) document(data []byte) ([]byte, error) {
	if !bytes.Contains(data, []byte("{{")) {
		return data, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	tree, err := f.tree(tree)
	if err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

func (f *filler) tree(node any) (any, error) {
	switch n := node.(type) {
	case string:
		return f.text(n)
	case []any:
		for i := range n {
			var err error
			if n[i], err = f.tree(n[i]); err != nil {
				return nil, err
			}
		}
		return n, nil
	case map[string]any:
		return f.object(n)
	}
	return node, nil
}

func (f *filler) object(n map[string]any) (any, error) {
	out := make(map[string]any, len(n))
	for key, value := range n {
		key, err := f.text(key)
		if err != nil {
			return nil, err
		}
		if _, taken := out[key]; taken {
			return nil, fmt.Errorf("two keys become %q", key)
		}
		if out[key], err = f.tree(value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// text fills one text. What stands in braces and is no argument belongs to somebody else and stays.
func (f *filler) text(s string) (string, error) {
	var out strings.Builder
	for {
		before, name, after, found := cut(s)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		value, err := f.value(name)
		if err != nil {
			return "", err
		}
		out.WriteString(value)
		s = after
	}
}

// cut finds the first argument in a text.
func cut(s string) (before, name, after string, found bool) {
	from := 0
	for {
		open := strings.Index(s[from:], "{{")
		if open < 0 {
			return s, "", "", false
		}
		open += from
		end := strings.Index(s[open:], "}}")
		if end < 0 {
			return s, "", "", false
		}
		tag := strings.TrimSpace(s[open+2 : open+end])
		if name, ok := strings.CutPrefix(tag, "args."); ok && !strings.Contains(name, "{{") {
			return s[:open], name, s[open+end+2:], true
		}
		from = open + 2
	}
}

func (f *filler) value(name string) (string, error) {
	value, ok := f.values[name]
	if !ok && f.kept[name] {
		return "{{args." + name + "}}", nil
	}
	if !ok {
		return "", fmt.Errorf("failed to resolve {{args.%s}}", shorten(name, maxName))
	}
	if f.filled += len(value); f.filled > maxFilled {
		return "", fmt.Errorf("the arguments fill more than %d bytes", maxFilled)
	}
	return value, nil
}

// fillQuery fills a PromQL query. Inside of a string literal, what would end the literal is escaped, so the value of a label can be
// any text; escapes that a value already holds, such as \\d of a pattern, are kept. Outside of a literal a value is part of the
// query by the author's will: it may be a threshold, a selector or the whole query.
func (f *filler) fillQuery(query string) (string, error) {
	var out strings.Builder
	at := literal{}
	for {
		before, name, after, found := cut(query)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		at.read(before)
		value, err := f.value(name)
		if err != nil {
			return "", err
		}
		if value, err = at.contain(value); err != nil {
			return "", fmt.Errorf("filling {{args.%s}} into the query: %w", name, err)
		}
		at.read(value)
		out.WriteString(value)
		query = after
	}
}

// literal is where in a PromQL query one stands: quote is zero outside of a string literal, # in a comment.
type literal struct {
	quote   byte
	escaped bool
}

func (l *literal) read(s string) {
	for i := range len(s) {
		c := s[i]
		switch {
		case l.escaped:
			l.escaped = false
		case l.quote == '#':
			if c == '\n' || c == '\r' {
				l.quote = 0
			}
		case l.quote == 0:
			if strings.IndexByte("\"'`#", c) >= 0 {
				l.quote = c
			}
		case c == l.quote:
			l.quote = 0
		case c == '\\' && l.quote != '`':
			l.escaped = true
		}
	}
}

var lineEnds = strings.NewReplacer("\n", " ", "\r", " ")

// contain gives value in a form that does not end the literal.
func (l *literal) contain(value string) (string, error) {
	switch {
	case l.quote == 0:
		return value, nil
	case l.escaped:
		return "", fmt.Errorf("a backslash stands before it")
	case l.quote == '#':
		return lineEnds.Replace(value), nil
	case l.quote == '`' && strings.Contains(value, "`"):
		return "", fmt.Errorf("its value has a backtick, which cannot stand between backticks")
	case l.quote == '`':
		return value, nil
	}
	return l.escape(value), nil
}

// escape escapes what ends a literal or may not stand in it, and keeps the escapes that are there.
func (l *literal) escape(value string) string {
	var out strings.Builder
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\' && i+1 < len(value) && value[i+1] != '\n':
			out.WriteString(value[i : i+2])
			i++
		case c == '\n':
			out.WriteString(`\n`)
		case c == '\\' || c == l.quote:
			out.WriteString(`\` + string(c))
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}
