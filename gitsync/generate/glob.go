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
		end := strings.IndexByte(glob[1:], ']')
		if end == 0 || end == 1 && (glob[1] == '!' || glob[1] == '^') {
			// A bracket that comes first stands for itself.
			next := strings.IndexByte(glob[end+2:], ']')
			if next >= 0 {
				end += next + 1
			} else {
				end = -1
			}
		}
		if end < 0 {
			return 0, "", fmt.Errorf("a bracket is not closed")
		}
		class := glob[1 : end+1]
		negate := ""
		if class[0] == '!' || class[0] == '^' {
			negate, class = "^", class[1:]
		}
		return end + 2, "[" + negate + strings.NewReplacer(`[`, `\[`, `]`, `\]`, `^`, `\^`).Replace(class) + "]", nil
	}
	return 1, regexp.QuoteMeta(glob[:1]), nil
}

func (g glob) matches(file string) bool {
	if g.pattern != nil {
		return g.pattern.MatchString(file)
	}
	return file == g.literal || strings.HasPrefix(file, g.literal+"/")
}
