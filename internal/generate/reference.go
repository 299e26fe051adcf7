package main

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
)

// order is the order of kinds in the reference, the ones that users write most first.
var order = []string{"Rollout", "AnalysisTemplate", "ClusterAnalysisTemplate", "AnalysisRun", "Experiment",
	"Application", "AppProject", "ApplicationSet"}

// crd is the part of a CustomResourceDefinition that the reference tells about.
type crd struct {
	Spec struct {
		Group string
		Names struct {
			Kind       string
			ShortNames []string
		}
		Scope    string
		Versions []struct {
			Name   string
			Schema struct{ OpenAPIV3Schema schema }
		}
	}
}

type schema struct {
	Description          string
	Type                 string
	Format               string
	Properties           map[string]schema
	AdditionalProperties *schema
	Items                *schema
	IntOrString          bool `json:"x-kubernetes-int-or-string"`
	Preserved            bool `json:"x-kubernetes-preserve-unknown-fields"`
	Required             []string
	Enum                 []string
	Minimum              *float64
	Validations          []rule `json:"x-kubernetes-validations"`
}

type rule struct{ Message string }

// reference writes one page for each kind, and points to an earlier row where a large part of the schema comes again.
type reference struct {
	told []told
}

// page is the table of one kind.
type page struct {
	strings.Builder
	*reference
	kind string
}

type told struct {
	kind, path string
	what       map[string]schema
}

// marker is where the part of a page begins that is written by hand no more.
const marker = "<!-- From here on this page is made by `make generate` from the types; what stands above is written by hand. -->\n"

// alike is the number of fields from which on a repeated part is worth a reference instead of the same rows again.
const alike = 3

// describe is the generated part of the page of one kind.
func (r *reference) describe(one crd) string {
	version := one.Spec.Versions[0]
	p := &page{reference: r, kind: one.Spec.Names.Kind}
	fmt.Fprintf(p, "%s\n## Fields\n\n`apiVersion: %s/%s`, `kind: %s`, scope %s, short name `%s`\n\n| Field | Type | Meaning |\n|---|---|---|\n", marker,
		one.Spec.Group, version.Name, p.kind, one.Spec.Scope, strings.Join(one.Spec.Names.ShortNames, "`, `"))
	top := version.Schema.OpenAPIV3Schema
	for _, part := range []string{"spec", "operation", "status"} {
		if s, ok := top.Properties[part]; ok {
			p.row(part, s, slices.Contains(top.Required, part))
		}
	}
	return p.String()
}

func (p *page) row(path string, s schema, required bool) {
	inner, suffix := s, ""
	for inner.Items != nil || inner.AdditionalProperties != nil {
		if inner.Items != nil {
			inner, suffix = *inner.Items, suffix+"[]"
			continue
		}
		inner, suffix = *inner.AdditionalProperties, suffix+".*"
	}
	meaning := sentence(path, s.Description) + admission(s, required)
	earlier := p.earlier(inner.Properties)
	if earlier != "" {
		meaning = strings.TrimSpace(meaning + " The same fields as " + earlier + ".")
	}
	fmt.Fprintf(p, "| `%s` | %s | %s |\n", path, typeName(s), strings.ReplaceAll(meaning, "|", `\|`))
	if earlier != "" {
		return
	}
	if len(inner.Properties) >= alike {
		p.told = append(p.told, told{p.kind, path, inner.Properties})
	}
	for _, name := range slices.Sorted(maps.Keys(inner.Properties)) {
		p.row(path+suffix+"."+name, inner.Properties[name], slices.Contains(inner.Required, name))
	}
}

// selectors are our sentences for the fields of a label selector, which is a type of Kubernetes.
var selectors = map[string]string{
	"matchLabels":      "Labels that must be there, each with its value; none are asked for if absent.",
	"matchExpressions": "Requirements that the labels must meet, all of them; none if absent.",
	"key":              "Label that the requirement is about.",
	"operator":         "In, NotIn, Exists or DoesNotExist; with another one the selector counts as unreadable.",
	"values":           "Values for In and NotIn, at least one; none for the other two.",
}

// sentence is what the comment of a field says, in our words where the field is not ours: such comments begin with its name.
func sentence(path, comment string) string {
	name := path[strings.LastIndex(path, ".")+1:]
	if own, ok := selectors[name]; ok && strings.HasPrefix(comment, name+" ") {
		return own
	}
	return strings.Join(strings.Fields(comment), " ")
}

// admission is what the API server refuses to store.
func admission(s schema, required bool) string {
	var all []string
	if required {
		all = append(all, "required")
	}
	if len(s.Enum) > 0 {
		all = append(all, "one of `"+strings.Join(s.Enum, "`, `")+"`")
	}
	if s.Minimum != nil && *s.Minimum != math.MinInt32 {
		all = append(all, fmt.Sprintf("at least %v", *s.Minimum))
	}
	for _, v := range s.Validations {
		all = append(all, v.Message)
	}
	if len(all) == 0 {
		return ""
	}
	return " *Admission: " + strings.Join(all, "; ") + ".*"
}

func (p *page) earlier(fields map[string]schema) string {
	for _, t := range p.told {
		if len(fields) >= alike && reflect.DeepEqual(t.what, fields) {
			if t.kind == p.kind {
				return fmt.Sprintf("`%s`", t.path)
			}
			return fmt.Sprintf("`%s` of [%s](%s)", t.path, t.kind, pageOf(t.kind))
		}
	}
	return ""
}

func pageOf(kind string) string { return strings.ToLower(kind) + ".md" }

func typeName(s schema) string {
	switch {
	case s.IntOrString:
		return "number or text"
	case s.Items != nil:
		return "list of " + typeName(*s.Items)
	case s.AdditionalProperties != nil:
		return "map of " + typeName(*s.AdditionalProperties)
	case s.Format == "date-time":
		return "time"
	case s.Preserved:
		return "anything"
	case s.Type == "integer":
		return "number"
	case s.Type == "string":
		return "text"
	}
	return s.Type
}
