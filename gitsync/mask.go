package gitsync

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// shortestSecret is the length from which a value is looked for in texts; shorter ones stand in too many words, and are masked in objects all the same.
const shortestSecret = 4

// Mask knows the values of Secrets and keeps them out of everything that people and programs are shown. The zero Mask knows none.
type Mask struct {
	values   []string
	replacer *strings.Replacer
}

// NewMask learns the values of the Secrets among some objects, as text and in base64.
func NewMask(objects ...*unstructured.Unstructured) Mask {
	var m Mask
	for _, o := range objects {
		if o == nil || !isSecret(o) {
			continue
		}
		m.learn(o)
		if last := withLastApplied(o); last != nil {
			m.learn(last)
		}
	}
	m.learnt()
	return m
}

// And gives a Mask that knows some values besides, such as the credentials of a destination.
func (m Mask) And(values ...string) Mask {
	m.values = slices.Clone(m.values)
	for _, v := range values {
		m.add(v)
		m.add(base64.StdEncoding.EncodeToString([]byte(v)))
	}
	m.learnt()
	return m
}

// learnt makes what replaces the values, the longest first, so that no part of a value stays behind.
func (m *Mask) learnt() {
	slices.SortFunc(m.values, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	m.values = slices.Compact(m.values)
	var pairs []string
	for _, v := range m.values {
		pairs = append(pairs, v, "++++++++")
	}
	m.replacer = nil
	if len(pairs) > 0 {
		m.replacer = strings.NewReplacer(pairs...)
	}
}

// learn takes in what stands in the data of a Secret, in whatever shape: the server's refusal of a wrong one repeats it.
func (m *Mask) learn(o *unstructured.Unstructured) {
	for _, field := range []string{"data", "stringData"} {
		values, ok := o.Object[field].(map[string]any)
		if !ok {
			m.learnValue(o.Object[field])
		}
		for _, value := range values {
			m.learnValue(value)
		}
	}
}

func (m *Mask) learnValue(value any) {
	switch v := value.(type) {
	case nil, bool: // says nothing
	case map[string]any:
		for key, inner := range v {
			m.learnText(key)
			m.learnValue(inner)
		}
	case []any:
		for _, inner := range v {
			m.learnValue(inner)
		}
	case string:
		m.learnText(v)
	default:
		m.learnText(fmt.Sprint(v))
		if text, err := json.Marshal(v); err == nil {
			m.learnText(string(text)) // numbers are written differently
		}
	}
}

func (m *Mask) learnText(text string) {
	m.add(text)
	m.add(base64.StdEncoding.EncodeToString([]byte(text)))
	if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
		m.add(string(decoded))
	}
}

// add takes in a value as it is, without the spaces around it, and as it stands between quotation marks.
func (m *Mask) add(value string) {
	for _, v := range []string{value, strings.TrimSpace(value), between(strconv.Quote(value)), between(strconv.Quote(strings.TrimSpace(value)))} {
		if len(v) >= shortestSecret {
			m.values = append(m.values, v)
		}
	}
}

// between takes the quotation marks off.
func between(quoted string) string { return quoted[1 : len(quoted)-1] }

func isSecret(o *unstructured.Unstructured) bool {
	return o.GetKind() == "Secret" && o.GroupVersionKind().Group == ""
}

// Text gives a text without the values that the Mask knows.
func (m Mask) Text(text string) string {
	if m.replacer == nil {
		return text
	}
	return m.replacer.Replace(text)
}

// Error gives an error whose text holds none of the values that the Mask knows; nil stays nil. What kind of error it is can still be asked.
func (m Mask) Error(err error) error {
	if err == nil || m.replacer == nil {
		return err
	}
	return &maskedError{m.Text(err.Error()), err}
}

type maskedError struct {
	text  string
	cause error
}

func (e *maskedError) Error() string { return e.text }

func (e *maskedError) Unwrap() error { return e.cause }

// Objects gives copies of the states of one object, such as the wanted and the living one, with the values of a Secret masked. Equal values of a key have
// equal masks, different ones different lengths, so that one sees that a value differs and not what it is. Other kinds come back as they are; nil stays nil.
func Objects(states ...*unstructured.Unstructured) []*unstructured.Unstructured {
	masked := make([]*unstructured.Unstructured, len(states))
	names := map[string][]string{}
	for i, o := range states {
		if o == nil || !isSecret(o) {
			masked[i] = o
			continue
		}
		o = &unstructured.Unstructured{Object: secretData(o.DeepCopy().Object)}
		maskData(o, names)
		masked[i] = o
	}
	for _, o := range masked {
		if o == nil || !isSecret(o) {
			continue
		}
		if last := withLastApplied(o); last != nil {
			last.Object = secretData(last.Object)
			maskData(last, names)
			annotations := o.GetAnnotations()
			if text, err := last.MarshalJSON(); err == nil {
				annotations[gitopsv1.AnnotationLastApplied] = string(text)
			} else {
				delete(annotations, gitopsv1.AnnotationLastApplied)
			}
			o.SetAnnotations(annotations)
		} else if _, set := annotationOf(o, gitopsv1.AnnotationLastApplied); set {
			unstructured.RemoveNestedField(o.Object, "metadata", "annotations", gitopsv1.AnnotationLastApplied)
		}
	}
	return masked
}

func maskData(o *unstructured.Unstructured, seen map[string][]string) {
	data, ok := o.Object["data"].(map[string]any)
	if !ok {
		delete(o.Object, "data") // whatever it is, it is nothing to be shown
		return
	}
	for key, value := range data {
		text, isText := value.(string)
		if !isText {
			data[key] = strings.Repeat("+", 8)
			continue
		}
		at := slices.Index(seen[key], text)
		if at < 0 {
			at = len(seen[key])
			seen[key] = append(seen[key], text)
		}
		data[key] = strings.Repeat("+", 8+4*at)
	}
}
