package analysis

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// shortestEncoded is the shortest piece of base64 that is taken for a secret; a shorter one may be part of a word.
const shortestEncoded = 8

// Redact takes secrets out of a text, in each form that a program may write them: as they are, quoted, as part of a URL, and in base64,
// also after something else such as the user of basic authentication.
func Redact(text string, secrets map[string]string) string {
	return redactor(secrets).Replace(text)
}

func redactor(secrets map[string]string) *strings.Replacer {
	var forms []string
	for _, secret := range secrets {
		forms = append(append(forms, formsOf(secret)...), formsOf(strings.TrimSpace(secret))...)
	}
	// The longest form first, for a secret may be part of another one.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, "***")
	}
	return strings.NewReplacer(pairs...)
}

func formsOf(s string) []string {
	if s == "" {
		return nil
	}
	quoted := strconv.Quote(s)
	forms := []string{s, quoted[1 : len(quoted)-1], url.QueryEscape(s), url.PathEscape(s), (&url.URL{Path: s}).EscapedPath()}
	for _, html := range []bool{true, false} {
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(html)
		if e.Encode(s) == nil {
			forms = append(forms, out.String()[1:out.Len()-len("\"\n")])
		}
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			text := encoding.EncodeToString([]byte("xx"[:before] + s))
			// Three bytes are four characters; those that also hold bits of what stands before or after differ from case to case.
			if text = text[(before*8+5)/6 : (before+len(s))*8/6]; len(text) >= shortestEncoded {
				forms = append(forms, text)
			}
		}
	}
	return forms
}
