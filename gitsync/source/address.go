package source

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-delivery/sluice/internal/dial"
)

// address is a repository URL that is safe to hand to git.
type address struct {
	// remote is what git is given, and shown is the same without user.
	remote, shown string
	// origin is the start of remote, before the path.
	origin, scheme, host, port string
}

// ociScheme begins the URL of an artifact in a registry.
const ociScheme = "oci://"

var scpLike = regexp.MustCompile(`^([A-Za-z0-9._][A-Za-z0-9._-]*)@([A-Za-z0-9][A-Za-z0-9.-]*):([^:].*)$`)

// parseAddress reads the URL of a Git repository. Schemes other than https and ssh must be listed in more.
func parseAddress(text string, more []string) (address, error) {
	u, err := parseURL(text, append([]string{"https", "ssh"}, more...))
	if err != nil {
		return address{}, err
	}
	if u.Path == "" || u.Path == "/" {
		return address{}, fmt.Errorf("the path of repoURL is empty")
	}
	shown := *u
	shown.User = nil
	ports := map[string]string{"https": "443", "http": "80", "ssh": "22", "git": "9418"}
	return address{
		remote: u.String(), shown: shown.String(), origin: strings.TrimSuffix(u.String(), u.EscapedPath()),
		scheme: u.Scheme, host: u.Hostname(), port: cmp.Or(u.Port(), ports[u.Scheme]),
	}, nil
}

// parseURL reads a URL of which nothing is a trick.
func parseURL(text string, schemes []string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\'' || r == '"' || r == '\\' || r == '`' }) {
		return nil, fmt.Errorf("repoURL holds a character that no repository URL may have (a space, a quote, a backslash or a control character)")
	}
	if m := scpLike.FindStringSubmatch(text); m != nil && !strings.Contains(text, "://") {
		text = "ssh://" + m[1] + "@" + m[2] + "/" + strings.TrimPrefix(m[3], "/")
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("repoURL is no URL") // the cause would repeat the URL with its password
	}
	return u, checkURL(u, schemes)
}

// checkURL refuses a URL that would make git or a client do something else than ask one place.
func checkURL(u *url.URL, schemes []string) error {
	if !slices.Contains(schemes, u.Scheme) {
		return fmt.Errorf("repoURL has the scheme %q; use %s://", u.Scheme, strings.Join(schemes, ":// or "))
	}
	if _, secret := u.User.Password(); secret {
		return fmt.Errorf("repoURL holds a password; put it into a repository Secret")
	}
	if strings.HasPrefix(u.User.Username(), "-") || strings.HasPrefix(u.Host, "-") || u.Hostname() == "" {
		return fmt.Errorf("repoURL has no usable host or user")
	}
	if _, err := dial.Host(u.Hostname()); err != nil {
		return fmt.Errorf("repoURL: %w", err)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("repoURL has a query or a fragment; a repository URL has none")
	}
	if trimmed := strings.TrimSuffix(u.Path, "/"); trimmed != "" && path.Clean(trimmed) != trimmed {
		return fmt.Errorf("the path of repoURL holds .. or //")
	}
	return nil
}
