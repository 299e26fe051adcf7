package source

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// address is a repository URL that is safe to hand to git.
type address struct {
	// remote is what git is given, shown is the same without user, and key is equal for URLs of one repository.
	remote, shown, key string
	scheme, host       string
}

var scpLike = regexp.MustCompile(`^([A-Za-z0-9._][A-Za-z0-9._-]*)@([A-Za-z0-9][A-Za-z0-9.-]*):([^:].*)$`)

// parseAddress reads a repository URL. Schemes other than https and ssh must be listed in more.
func parseAddress(text string, more []string) (address, error) {
	text = strings.TrimSpace(text)
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\'' || r == '"' || r == '\\' || r == '`' }) {
		return address{}, fmt.Errorf("repoURL holds a character that no repository URL may have (a space, a quote, a backslash or a control character)")
	}
	if m := scpLike.FindStringSubmatch(text); m != nil && !strings.Contains(text, "://") {
		text = "ssh://" + m[1] + "@" + m[2] + "/" + strings.TrimPrefix(m[3], "/")
	}
	u, err := url.Parse(text)
	if err != nil {
		return address{}, fmt.Errorf("repoURL is no URL") // the cause would repeat the URL with its password
	}
	if u.Scheme != "https" && u.Scheme != "ssh" && !slices.Contains(more, u.Scheme) {
		return address{}, fmt.Errorf("repoURL has the scheme %q; use https:// or ssh://", u.Scheme)
	}
	if _, secret := u.User.Password(); secret && u.User != nil {
		return address{}, fmt.Errorf("repoURL holds a password; put it into a repository Secret")
	}
	if user := u.User.Username(); strings.HasPrefix(user, "-") || strings.HasPrefix(u.Host, "-") || u.Scheme != "file" && u.Hostname() == "" {
		return address{}, fmt.Errorf("repoURL has no usable host or user")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return address{}, fmt.Errorf("repoURL has a query or a fragment; a repository URL has none")
	}
	if u.Path == "" || u.Path == "/" || path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") {
		return address{}, fmt.Errorf("the path of repoURL is empty, or holds .. or //")
	}
	shown := *u
	shown.User = nil
	return address{remote: u.String(), shown: shown.String(), key: normal(text), scheme: u.Scheme, host: u.Hostname()}, nil
}

// normal is equal for URLs that name one repository, as the contract sees it.
func normal(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	if m := scpLike.FindStringSubmatch(text); m != nil && !strings.Contains(text, "://") {
		text = "ssh://" + m[1] + "@" + m[2] + "/" + strings.TrimPrefix(m[3], "/")
	}
	return strings.TrimSuffix(strings.TrimSuffix(text, "/"), ".git")
}
