package render

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	utiljson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

const (
	// maxObjects is more than any cluster should get from one source.
	maxObjects = 20_000
	// maxWarnings keeps a bad habit that runs through a chart from filling the status.
	maxWarnings = 20
)

// collection is the objects of a rendering and what people should know about it.
type collection struct {
	objects  []map[string]any
	warnings []string
}

func (c *collection) warn(format string, args ...any) {
	if len(c.warnings) < maxWarnings {
		c.warnings = append(c.warnings, strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "))
	}
}

// errTooMany is an error wherever the objects come from.
var errTooMany = fmt.Errorf("there are more than %d objects", maxObjects)

// add takes an object, or the items of a list.
func (c *collection) add(o map[string]any) error {
	kind, _ := o["kind"].(string)
	if kind == "" {
		return errors.New("an object has no kind")
	}
	items, listed := o["items"]
	if !listed || !strings.HasSuffix(kind, "List") {
		if len(c.objects) >= maxObjects {
			return errTooMany
		}
		c.objects = append(c.objects, o)
		return nil
	}
	all, ok := items.([]any)
	if !ok && items != nil {
		return fmt.Errorf("the items of a %s are no list", kind)
	}
	for i, item := range all {
		inner, ok := item.(map[string]any)
		if !ok {
			return fmt.Errorf("item %d of a %s is no object", i, kind)
		}
		if err := c.add(inner); err != nil {
			return err
		}
	}
	return nil
}

// documents adds the objects of a YAML text up to the first document that is none, which is the error.
func (c *collection) documents(name string, text []byte) error {
	split := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for n := 1; ; n++ {
		document, err := split.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		o, twice, err := decode(document)
		if err != nil {
			return fmt.Errorf("document %d: %w", n, err)
		}
		if len(o) == 0 {
			continue
		}
		if twice != nil {
			c.warn("%s, document %d: the last value counts: %v", name, n, twice)
		}
		if err := c.add(o); err != nil {
			return fmt.Errorf("document %d: %w", n, err)
		}
	}
}

// decode reads one YAML document, as YAML 1.1 and with whole numbers kept whole. Of a key that is there twice the last one counts, as it does for
// kubectl; the second answer tells.
func decode(document []byte) (o map[string]any, twice, err error) {
	text, strict := yaml.YAMLToJSONStrict(document)
	if strict != nil {
		if text, err = yaml.YAMLToJSON(document); err != nil {
			return nil, nil, withoutValues(err)
		}
	}
	if bytes.Equal(bytes.TrimSpace(text), []byte("null")) {
		return nil, nil, nil
	}
	if err := utiljson.UnmarshalCaseSensitivePreserveInts(text, &o); err != nil {
		return nil, nil, errors.New("it is no object")
	}
	return o, strict, nil
}

// withoutValues keeps the one error of the parser to itself that quotes a value, which may be that of a Secret.
func withoutValues(err error) error {
	if strings.Contains(err.Error(), "unsupported map key") {
		return errors.New("a key is neither a text nor a number nor a boolean")
	}
	return err
}

// plainText gives UTF-8 without a byte order mark; text with the mark of UTF-16 is converted.
func plainText(text []byte) ([]byte, error) {
	plain, _, err := transform.Bytes(unicode.BOMOverride(encoding.UTF8Validator), text)
	return plain, err
}
