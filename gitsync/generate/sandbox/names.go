package sandbox

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

const maxDNSName = 253

var (
	outsideDNS  = regexp.MustCompile(`[^-a-z0-9.]`)
	outsideSlug = regexp.MustCompile(`[^a-z0-9-]+`)
	dashes      = regexp.MustCompile(`-+`)
)

// Normalize makes a text a DNS subdomain name: lower case, at most 253 characters, and a dash for what is not allowed.
func Normalize(text string) string {
	text = outsideDNS.ReplaceAllString(strings.ToLower(text), "-")
	if len(text) > maxDNSName {
		text = text[:maxDNSName]
	}
	return strings.Trim(text, "-.")
}

// MaxSlug is how long a slug is unless somebody says otherwise.
const MaxSlug = 50

// Slug makes a text words of plain letters and digits joined by dashes, of at most size bytes; whole words only if asked to.
func Slug(text string, size int, words bool) string {
	text = strings.NewReplacer("&", " and ", "@", " at ").Replace(text)
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(text))
	plain = dashes.ReplaceAllString(outsideSlug.ReplaceAllString(strings.ToLower(plain), "-"), "-")
	plain = strings.Trim(plain, "-")
	if size <= 0 || len(plain) <= size {
		return plain
	}
	cut := plain[:size]
	if end := strings.LastIndex(plain[:size+1], "-"); words && end > 0 {
		cut = plain[:end]
	}
	return strings.Trim(cut, "-")
}
