package sandbox

import (
	"fmt"
	"strings"
)

// placeholders replaces {{key}} by the parameter of that name, if it is a text; other braces stay as they are.
type placeholders struct{ budget *budget }

func (l placeholders) render(text string, params Params) (string, error) {
	l.budget.open()
	var out strings.Builder
	for {
		before, rest, opened := strings.Cut(text, "{{")
		inside, after, closed := strings.Cut(rest, "}}")
		if !opened || !closed {
			out.WriteString(text)
			return out.String(), l.paid(&out)
		}
		out.WriteString(before)
		if value, ok := params[strings.TrimSpace(inside)].(string); ok {
			out.WriteString(value)
		} else {
			out.WriteString("{{" + inside + "}}")
		}
		if out.Len() > maxText {
			return "", l.paid(&out)
		}
		text = after
	}
}

func (l placeholders) paid(out *strings.Builder) error {
	if out.Len() > maxText {
		return fmt.Errorf("the text grows beyond %d bytes", maxText)
	}
	return l.budget.spend(out.Len())
}
