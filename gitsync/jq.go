package gitsync

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// Limits of jq expressions in ignoreDifferences.
const (
	longestExpression = 4096
	// jqSteps is how many operations of the jq machine one expression may take on one object; paths take some hundred.
	jqSteps = 200_000
	// jqPaths is how many fields one expression may name.
	jqPaths = 10_000
	// jqCommas bounds how often an expression can double a value, whose comparison would then take for ever in a single step.
	jqCommas = 10
)

// jqWords are the words of jq that an expression may use: what finds fields and looks at them, and nothing that builds values of any size.
var jqWords = strings.Fields(`all and any arrays ascii_downcase ascii_upcase booleans contains elif else empty end endswith error false first has if
	in index inside isempty iterables keys last length map map_values match not null nulls numbers objects or path recurse rindex scalars select
	split startswith strings test then to_entries true type values paths IN ltrimstr rtrimstr tonumber`)

var (
	jqString = regexp.MustCompile(`"(?:[^"\\]|\\[^(])*"`)
	jqField  = regexp.MustCompile(`[.$]\s*[A-Za-z_][A-Za-z0-9_]*`)
	jqWord   = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
)

// checkJQ refuses what could take memory or time beyond all measure in one step of the machine.
func checkJQ(expression string) error {
	if len(expression) > longestExpression {
		return fmt.Errorf("longer than %d characters", longestExpression)
	}
	code := jqString.ReplaceAllString(expression, `""`)
	if at := strings.IndexAny(code, `+*\@`); at >= 0 {
		return fmt.Errorf("uses %q; an expression only finds fields and computes nothing", code[at:at+1])
	}
	if n := strings.Count(code, ","); n > jqCommas {
		return fmt.Errorf("has %d commas, more than %d; write several expressions", n, jqCommas)
	}
	for _, word := range jqWord.FindAllString(jqField.ReplaceAllString(code, ""), -1) {
		if !slices.Contains(jqWords, word) {
			return fmt.Errorf("uses %q, which is none of the words that find fields", word)
		}
	}
	return nil
}

// Paths lists the paths, of keys and indices, that a jq expression of ignoreApplicationDifferences names in an object.
func Paths(expression string, object map[string]any) ([][]any, error) {
	full, _ := numbers(object).(map[string]any)
	return jqFields(expression, full)
}

// jqFields gives the paths that an expression names in a tree.
func jqFields(expression string, tree map[string]any) ([][]any, error) {
	if err := checkJQ(expression); err != nil {
		return nil, err
	}
	query, err := gojq.Parse("path(" + expression + ")")
	if err != nil {
		return nil, err
	}
	code, err := gojq.Compile(query)
	if err != nil {
		return nil, err
	}
	var paths [][]any
	results := code.RunWithContext(&steps{Context: context.Background(), left: jqSteps}, tree)
	for {
		value, more := results.Next()
		if !more {
			return paths, nil
		}
		if err, failed := value.(error); failed {
			if isMiss(err) {
				return paths, nil
			}
			return nil, err
		}
		if path, ok := value.([]any); ok {
			paths = append(paths, path)
		}
		if len(paths) > jqPaths {
			return nil, fmt.Errorf("names more than %d fields", jqPaths)
		}
	}
}

// isMiss reports whether an expression failed because a tree does not have what it looks for, which makes it name nothing.
func isMiss(err error) bool {
	return strings.Contains(err.Error(), "null")
}

// steps is a context that ends after a number of looks at it, so that an expression costs the same everywhere.
type steps struct {
	context.Context
	left int
}

var ended = func() <-chan struct{} { c := make(chan struct{}); close(c); return c }()

func (s *steps) Done() <-chan struct{} {
	if s.left--; s.left < 0 {
		return ended
	}
	return nil
}

func (s *steps) Err() error {
	if s.left < 0 {
		return fmt.Errorf("takes more than %d steps", jqSteps)
	}
	return nil
}
