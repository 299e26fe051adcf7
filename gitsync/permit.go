package gitsync

import (
	"slices"
	"strings"

	"github.com/gobwas/glob"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// NormalURL is the form in which repository URLs are compared: trimmed, in lower case, without .git, and git@host:path written as ssh://git@host/path.
func NormalURL(url string) string {
	url = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(url)), ".git")
	if user, rest, found := strings.Cut(url, "@"); found && !strings.Contains(url, "://") {
		return "ssh://" + user + "@" + strings.Replace(rest, ":", "/", 1)
	}
	return url
}

// PermitsSource reports whether a project permits a repository. A deny pattern refuses whatever else permits; with nothing but denials the rest is permitted.
func PermitsSource(spec gitopsv1.AppProjectSpec, url string) bool {
	url = NormalURL(url)
	permitted := len(spec.SourceRepos) > 0 && !slices.ContainsFunc(spec.SourceRepos, func(p string) bool { return !strings.HasPrefix(p, "!") })
	for _, pattern := range spec.SourceRepos {
		if denied, isDeny := strings.CutPrefix(pattern, "!"); isDeny {
			if matchesURL(denied, url) {
				return false
			}
			continue
		}
		permitted = permitted || matchesURL(pattern, url)
	}
	return permitted
}

func matchesURL(pattern, url string) bool {
	if pattern == "*" {
		return true
	}
	g, err := glob.Compile(NormalURL(pattern), '/')
	return err == nil && g.Match(url)
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
