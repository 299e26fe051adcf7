package generate

import (
	"fmt"
	"regexp"
	"strings"
)

// glob matches the paths of files as `git ls-files` does.
type glob struct {
	literal string
	pattern *regexp.Regexp
}

// pathGlob reads a pattern. Its wildcards cross slashes; a pattern without wildcards also matches every file below it.
func pathGlob(pattern string) (glob, error) {
	if !strings.ContainsAny(pattern, `*?[\`) {
		return glob{literal: strings.TrimSuffix(pattern, "/")}, nil
	}
	var text strings.Builder
	for rest := pattern; rest != ""; {
		n, piece, err := globPiece(rest)
		if err != nil {
			return glob{}, err
		}
		text.WriteString(piece)
		rest = rest[n:]
	}
	compiled, err := regexp.Compile(`(?s)^` + text.String() + `$`)
	if err != nil {
		return glob{}, fmt.Errorf("it is no glob: %w", err)
	}
	return glob{pattern: compiled}, nil
}

// globPiece translates the first piece of a glob, which has n bytes, to a regular expression.
func globPiece(glob string) (n int, expression string, err error) {
	switch glob[0] {
	case '*':
		return 1, `.*`, nil
	case '?':
		return 1, `.`, nil
	case '\\':
		if len(glob) == 1 {
			return 0, "", fmt.Errorf("it ends in a backslash")
		}
		return 2, regexp.QuoteMeta(glob[1:2]), nil
	case '[':
		return globClass(glob)
	}
	return 1, regexp.QuoteMeta(glob[:1]), nil
}

// globClass translates a class such as [a-c] or [!x]; a bracket that comes first in it stands for itself.
func globClass(glob string) (n int, expression string, err error) {
	class, negate := glob[1:], ""
	if strings.HasPrefix(class, "!") || strings.HasPrefix(class, "^") {
		class, negate = class[1:], "^"
	}
	first := min(1, len(class))
	end := strings.IndexByte(class[first:], ']')
	if end < 0 {
		return 0, "", fmt.Errorf("a bracket is not closed")
	}
	end += first
	n = 1 + len(negate) + end + 1
	return n, "[" + negate + strings.NewReplacer(`[`, `\[`, `]`, `\]`, `^`, `\^`).Replace(class[:end]) + "]", nil
}

func (g glob) matches(file string) bool {
	if g.pattern != nil {
		return g.pattern.MatchString(file)
	}
	return file == g.literal || strings.HasPrefix(file, g.literal+"/")
}
