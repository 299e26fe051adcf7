package gitsync

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/gobwas/glob"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// defaultPorts are those that a URL of the scheme need not name.
var defaultPorts = map[string]string{"": ":443", "https": ":443", "http": ":80", "ssh": ":22"}

// NormalURL is the one form in which repository URLs, their prefixes and patterns are compared, so that no other spelling of a URL escapes a rule:
// in lower case, without user, default port, escapes, .git and a slash at the end; git@host:path is ssh://host/path, and oci:// goes without saying.
func NormalURL(text string) string {
	text = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(text)), "oci://")
	scheme, rest, hasScheme := strings.Cut(text, "://")
	if !hasScheme {
		scheme, rest = "", text
		if user, place, found := strings.Cut(text, "@"); found && !strings.Contains(user, "/") && strings.Contains(place, ":") {
			host, path, _ := strings.Cut(place, ":")
			scheme, rest = "ssh", host+"/"+strings.TrimLeft(path, "/")
		}
	}
	host, path, _ := strings.Cut(rest, "/")
	host = strings.TrimSuffix(strings.TrimSuffix(host[strings.LastIndex(host, "@")+1:], defaultPorts[scheme]), ".")
	if plain, err := url.PathUnescape(path); err == nil {
		path = strings.ToLower(plain)
	}
	if path != "" {
		path = "/" + path
	}
	if scheme != "" {
		host = scheme + "://" + host
	}
	return withoutEnding(host + path)
}

// withoutEnding drops every slash and .git at the end.
func withoutEnding(text string) string {
	for {
		shorter := strings.TrimSuffix(strings.TrimRight(text, "/"), ".git")
		if shorter == text {
			return text
		}
		text = shorter
	}
}

// PermitsSource reports whether a project permits a repository. A deny pattern refuses whatever else permits, and refuses everything if it cannot be
// read; with nothing but denials the rest is permitted.
func PermitsSource(spec gitopsv1.AppProjectSpec, url string) bool {
	url = NormalURL(url)
	permitted := len(spec.SourceRepos) > 0 && !slices.ContainsFunc(spec.SourceRepos, func(p string) bool { return !strings.HasPrefix(p, "!") })
	for _, pattern := range spec.SourceRepos {
		pattern, isDeny := strings.CutPrefix(pattern, "!")
		matches, err := matchesURL(pattern, url)
		switch {
		case isDeny && (matches || err != nil):
			return false
		case !isDeny:
			permitted = permitted || matches
		}
	}
	return permitted
}

// matchesURL holds a pattern against a URL in its normal form; a pattern that is no glob is an error.
func matchesURL(pattern, url string) (bool, error) {
	if pattern == "*" {
		return true, nil
	}
	g, err := glob.Compile(NormalURL(pattern), '/')
	return err == nil && g.Match(url), err
}

// MatchesSource reports whether a list of patterns, read as sourceRepos of a project are, names a repository. A pattern that is no glob is an error.
func MatchesSource(patterns []string, url string) (bool, error) {
	for _, pattern := range patterns {
		if _, err := matchesURL(strings.TrimPrefix(pattern, "!"), ""); err != nil {
			return false, fmt.Errorf("the pattern %q cannot be read: %w", pattern, err)
		}
	}
	return PermitsSource(gitopsv1.AppProjectSpec{SourceRepos: patterns}, url), nil
}

// brokenDenial names a pattern of a project that is to deny something and cannot be read; empty if there is none.
func brokenDenial(spec gitopsv1.AppProjectSpec) string {
	denials := map[string][]string{}
	deny := func(field string, patterns ...string) {
		for _, p := range patterns {
			if denied, isDenial := strings.CutPrefix(p, "!"); isDenial {
				denials[field] = append(denials[field], denied)
			}
		}
	}
	deny("sourceRepos", spec.SourceRepos...)
	for _, d := range spec.Destinations {
		deny("destinations", d.Server, d.Name, d.Namespace)
	}
	for _, k := range spec.ClusterResourceBlacklist {
		deny("clusterResourceBlacklist", "!"+k.Group, "!"+k.Kind, "!"+k.Name)
	}
	for _, k := range spec.NamespaceResourceBlacklist {
		deny("namespaceResourceBlacklist", "!"+k.Group, "!"+k.Kind)
	}
	for _, field := range slices.Sorted(maps.Keys(denials)) {
		for _, pattern := range denials[field] {
			if _, err := glob.Compile(pattern); err != nil {
				return fmt.Sprintf("%s: the pattern %q, which is to deny something, cannot be read: %v", field, pattern, err)
			}
		}
	}
	return ""
}

// PermitsDestination reports whether a project permits a namespace of a cluster. A denied server refuses for the namespaces of its entry, a denied
// namespace for the clusters of its entry, and a denied name whatever the entry says besides.
func PermitsDestination(spec gitopsv1.AppProjectSpec, c Cluster, namespace string) bool {
	permitted := false
	for _, d := range spec.Destinations {
		server, name, space := matchPattern(d.Server, c.Server), matchPattern(d.Name, c.Name), matchPattern(d.Namespace, namespace)
		if refuses(server, name, space) {
			return false
		}
		// A denial of something else lets everything besides it in.
		inCluster := d.Server != "" && server != misses || d.Name != "" && name != misses
		permitted = permitted || inCluster && space != misses
	}
	return permitted
}

// refuses reports whether one entry denies a destination.
func refuses(server, name, space match) bool {
	return name == denies || server == denies && space == permits || space == denies && (server == permits || name == permits)
}

// Confines says why an object is out of reach where a destination is confined to namespaces; empty if it is not.
func (c Cluster) Confines(namespaced bool, namespace string) string {
	switch {
	case len(c.Namespaces) == 0, !namespaced && c.ClusterResources, namespaced && slices.Contains(c.Namespaces, namespace):
		return ""
	case !namespaced:
		return fmt.Sprintf("the Secret of cluster %s names namespaces, and does not say clusterResources: true", c.Server)
	}
	return fmt.Sprintf("the Secret of cluster %s does not name the namespace %s", c.Server, namespace)
}

// match is what a pattern says of a value.
type match int

const (
	misses match = iota
	permits
	denies
	// elsewhere: the pattern denies, but not this value.
	elsewhere
)

// matchPattern holds a glob, which a leading ! makes a denial, against a value. An empty pattern matches only an empty value.
func matchPattern(pattern, value string) match {
	denied, isDenial := strings.CutPrefix(pattern, "!")
	hit := denied == value || denied != "" && value != "" && matchesAny([]string{denied}, value)
	switch {
	case isDenial && hit:
		return denies
	case isDenial:
		return elsewhere
	case hit:
		return permits
	}
	return misses
}

// PermitsKind reports whether a project permits an object of a kind: cluster-scoped kinds only where the list of permitted ones names them,
// namespaced kinds everywhere unless there is such a list. A list of denied kinds beats both.
func PermitsKind(spec gitopsv1.AppProjectSpec, kind GroupKind, name string, namespaced bool) bool {
	if !namespaced {
		names := func(r gitopsv1.ClusterResource) bool {
			return matchesKind(r.Group, r.Kind, kind) && (r.Name == "" || matchesAny([]string{r.Name}, name))
		}
		return slices.ContainsFunc(spec.ClusterResourceWhitelist, names) && !slices.ContainsFunc(spec.ClusterResourceBlacklist, names)
	}
	names := func(r gitopsv1.GroupKind) bool { return matchesKind(r.Group, r.Kind, kind) }
	return (spec.NamespaceResourceWhitelist == nil || slices.ContainsFunc(spec.NamespaceResourceWhitelist, names)) &&
		!slices.ContainsFunc(spec.NamespaceResourceBlacklist, names)
}

func matchesKind(group, name string, kind GroupKind) bool {
	return (group == kind.Group || matchesAny([]string{group}, kind.Group)) && matchesAny([]string{name}, kind.Kind)
}

// PermitsNamespace reports whether Applications of a namespace other than the control namespace may use a project.
func PermitsNamespace(spec gitopsv1.AppProjectSpec, namespace string) bool {
	return matchesAny(spec.SourceNamespaces, namespace)
}
