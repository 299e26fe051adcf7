package health

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/gitsync"
)

// Rule gives a verdict where its expression holds.
type Rule struct {
	// Is is the verdict.
	Is gitsync.HealthStatus `json:"is"`
	// When is an expression in CEL that is true or false. A rule without one always holds. What looks at something that is not there, or is of
	// another type, does not hold.
	When string `json:"when,omitempty"`
	// Say is an expression in CEL that gives the message; none, or one that looks at what is not there, gives no message.
	Say string `json:"say,omitempty"`
}

// entry is rules for some kinds, as the tables hold them.
type entry struct {
	For   []string `json:"for"`
	Rules []Rule   `json:"rules"`
}

//go:embed kinds/*.yaml
var tables embed.FS

// builtIn gives the checks that are built in; rules are compiled when the first object of a kind is seen.
var builtIn = sync.OnceValue(func() *Checks {
	c := &Checks{exact: map[string]check{}}
	entries, err := readTables()
	if err != nil {
		panic(err) // the tables are part of the program, and a test reads them
	}
	for _, e := range entries {
		check := judging(func() (*judge, error) { return compile(e.Rules) })
		for _, kinds := range e.For {
			c.add(kinds, check)
		}
	}
	for kinds, check := range inGo {
		c.add(kinds, check)
	}
	return c
})

func readTables() (all []entry, err error) {
	files, err := tables.ReadDir("kinds")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := tables.ReadFile("kinds/" + file.Name())
		if err != nil {
			return nil, err
		}
		var entries []entry
		if err := yaml.UnmarshalStrict(text, &entries); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file.Name(), err)
		}
		all = append(all, entries...)
	}
	return all, nil
}

// maxRules is how many rules one kind may have.
const maxRules = 50

// ruled judges by rules that somebody wrote in YAML.
func ruled(text string) check {
	var rules []Rule
	if err := yaml.UnmarshalStrict([]byte(text), &rules); err != nil {
		return failing(fmt.Errorf("the rules are no list of {is, when, say}: %s", firstLine(err)))
	}
	if len(rules) > maxRules {
		return failing(fmt.Errorf("there are %d rules, more than %d", len(rules), maxRules))
	}
	j, err := compile(rules)
	if err != nil {
		return failing(err)
	}
	return judging(func() (*judge, error) { return j, nil })
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// judging judges by rules that are compiled when they are first needed.
func judging(prepare func() (*judge, error)) check {
	prepare = sync.OnceValues(prepare)
	return func(o *unstructured.Unstructured, _ time.Time) (gitsync.Health, error) {
		j, err := prepare()
		if err != nil {
			return gitsync.Health{}, err
		}
		return j.assess(o)
	}
}

// judge is rules ready to be used.
type judge struct {
	rules []compiled
}

type compiled struct {
	is        gitsync.HealthStatus
	when, say *expression
}

func compile(rules []Rule) (*judge, error) {
	j := &judge{}
	for i, r := range rules {
		if !slices.Contains(verdicts, r.Is) {
			return nil, fmt.Errorf("rule %d: is: %q is none of %v", i+1, r.Is, verdicts)
		}
		c := compiled{is: r.Is}
		var err error
		if c.when, err = newExpression(r.When, cel.BoolType); err != nil {
			return nil, fmt.Errorf("rule %d: when: %w", i+1, err)
		}
		if c.say, err = newExpression(r.Say, cel.StringType); err != nil {
			return nil, fmt.Errorf("rule %d: say: %w", i+1, err)
		}
		j.rules = append(j.rules, c)
	}
	return j, nil
}

// assess gives the verdict of the first rule that holds; Unknown if none does, and none at all without rules.
func (j *judge) assess(o *unstructured.Unstructured) (gitsync.Health, error) {
	if len(j.rules) == 0 {
		return gitsync.Health{}, nil
	}
	seen := view(o)
	for i, r := range j.rules {
		holds, err := r.when.holds(seen)
		if err != nil {
			return gitsync.Health{}, fmt.Errorf("rule %d: when: %w", i+1, err)
		}
		if !holds {
			continue
		}
		message, err := r.say.text(seen)
		if err != nil {
			return gitsync.Health{}, fmt.Errorf("rule %d: say: %w", i+1, err)
		}
		return gitsync.Health{Status: r.is, Message: message}, nil
	}
	return gitsync.Health{Status: gitsync.Unknown, Message: "no rule holds"}, nil
}
