package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// output is the value of -o.
type output string

const (
	outputText output = ""
	outputWide output = "wide"
	outputName output = "name"
	outputJSON output = "json"
	outputYAML output = "yaml"
)

var outputs = []string{string(outputWide), string(outputName), string(outputJSON), string(outputYAML)}

func (o *output) bind(cmd *cobra.Command) {
	cmd.Flags().VarP(o, "output", "o", "Output format: "+strings.Join(outputs, ", "))
}

// String, Set and Type make an output a flag.
func (o *output) String() string { return string(*o) }

// Set refuses what is no format.
func (o *output) Set(value string) error {
	if !slices.Contains(outputs, value) {
		return fmt.Errorf("must be one of %s", strings.Join(outputs, ", "))
	}
	*o = output(value)
	return nil
}

// Type is the word for the value in a help text.
func (o *output) Type() string { return "format" }

// encoded puts a model into json or yaml. Only what goes to a terminal is cleaned, because a program must get what is there.
func (s *session) encoded(model any, format output) ([]line, error) {
	var raw bytes.Buffer
	var err error
	if format == outputYAML {
		var document []byte
		document, err = yaml.Marshal(model)
		raw.WriteString("---\n")
		raw.Write(document)
	} else {
		encoder := json.NewEncoder(&raw)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "    ")
		err = encoder.Encode(model)
	}
	if err != nil {
		return nil, fmt.Errorf("encoding as %s: %w", format, err)
	}
	_, _, terminal := s.size()
	var lines []line
	for l := range strings.Lines(raw.String()) {
		l = strings.TrimSuffix(l, "\n")
		if terminal {
			l = clean(l)
		}
		lines = append(lines, line{{l, plain}})
	}
	return lines, nil
}

// nameOf is how -o name writes a Rollout, so that kubectl takes it.
func nameOf(name string) line { return text(plain, "rollout.argoproj.io/"+name) }
