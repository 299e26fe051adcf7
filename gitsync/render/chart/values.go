package chart

import (
	"bytes"
	"fmt"
	"strings"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/strvals"
)

// Values gathers values; what is added later wins.
type Values struct{ all map[string]any }

// AddText adds values from YAML. The error does not quote the text.
func (v *Values) AddText(text []byte) error {
	added, err := loader.LoadValues(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("the values are no YAML object: %w", err)
	}
	v.all = loader.MergeMaps(v.all, added)
	return nil
}

// Set sets the value at a path such as image.tag; {a,b} is a list, and null removes a default.
func (v *Values) Set(name, value string) error {
	return v.parse(name+"="+escaped(value), strvals.ParseInto)
}

// SetText sets the value at a path to a text even if it looks like something else.
func (v *Values) SetText(name, value string) error {
	return v.parse(name+"="+escaped(value), strvals.ParseIntoString)
}

// SetFile sets the value at a path to the content of a file.
func (v *Values) SetFile(name string, content []byte) error {
	return v.parse(name+"=content", func(text string, into map[string]any) error {
		return strvals.ParseIntoFile(text, into, func([]rune) (any, error) { return string(content), nil })
	})
}

func (v *Values) parse(text string, parse func(string, map[string]any) error) error {
	if v.all == nil {
		v.all = map[string]any{}
	}
	return parse(text, v.all)
}

// Map gives the values.
func (v *Values) Map() map[string]any {
	if v.all == nil {
		return map[string]any{}
	}
	return v.all
}

// escaped keeps commas in the value, where Helm would begin the next one; inside of a list they are meant.
func escaped(value string) string {
	if strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}") {
		return value
	}
	var out strings.Builder
	for i, r := range value {
		if r == ',' && (i == 0 || value[i-1] != '\\') {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
}
