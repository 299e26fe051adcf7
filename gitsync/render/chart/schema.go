package chart

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v4/pkg/chart/common"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
)

// alone loads nothing. The loader of Helm would read files of this machine and ask the network.
type alone struct{}

func (alone) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to %.200s, and a schema may only refer to itself", url)
}

func schemaProblems(c *chartv2.Chart, values any) []error {
	var problems []error
	held := mapOf(values)
	if c.Schema != nil && held != nil {
		if err := fits(c.Schema, held); err != nil {
			problems = append(problems, fmt.Errorf("chart %s: %w", c.Name(), err))
		}
	}
	for _, d := range c.Dependencies() {
		if inner, there := held[d.Name()]; there && inner != nil {
			problems = append(problems, schemaProblems(d, inner)...)
		}
	}
	return problems
}

func mapOf(values any) map[string]any {
	switch v := values.(type) {
	case common.Values:
		return v
	case map[string]any:
		return v
	}
	return nil
}

func fits(schema []byte, values map[string]any) error {
	const name = "file:///values.schema.json"
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return errors.New("values.schema.json is no JSON")
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(alone{})
	if err := compiler.AddResource(name, parsed); err != nil {
		return err
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		return fmt.Errorf("reading values.schema.json: %w", err)
	}
	return compiled.Validate(values)
}
