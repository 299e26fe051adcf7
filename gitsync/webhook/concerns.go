package webhook

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Concerns tells what some events concern. It is made once for any number of objects, which it looks at in turn.
type Concerns struct {
	// moves are all branches and tags that moved, once each, by the address of their repository.
	moves     map[string][]*move
	artifacts []Artifact
	requests  []Repository
	// asked are the moves that some sources ask for; most of a crowd ask for the same.
	asked map[wish][]*move
}

// wish is what a source asks for of a repository.
type wish struct{ repoURL, revision, tagPrefix string }

// move is a branch or a tag with all that events told of it.
type move struct {
	Push
	within map[string]bool
	size   int
}

// ConcernsOf gathers events, of which the same one may have come several times.
func ConcernsOf(events []Event) *Concerns {
	c := &Concerns{moves: map[string][]*move{}, asked: map[wish][]*move{}}
	known := map[[2]string]*move{}
	for _, e := range events {
		for _, p := range e.Pushes {
			c.add(p, known)
		}
		for _, a := range e.Artifacts {
			if !slices.Contains(c.artifacts, a) {
				c.artifacts = append(c.artifacts, a)
			}
		}
		if e.Requests != nil && !slices.Contains(c.requests, *e.Requests) {
			c.requests = append(c.requests, *e.Requests)
		}
	}
	return c
}

func (c *Concerns) add(p Push, known map[[2]string]*move) {
	for _, page := range p.RepoURLs {
		where := address(page)
		if where == "" {
			continue
		}
		m := known[[2]string{where, p.Ref}]
		if m == nil {
			m = &move{Push: p, within: map[string]bool{}}
			m.Files = nil
			known[[2]string{where, p.Ref}] = m
			c.moves[where] = append(c.moves[where], m)
		}
		m.join(p)
	}
}

// join adds what another event tells of the same branch or tag. Files that are more than one event may have are not told apart.
func (m *move) join(p Push) {
	m.TouchedHead = m.TouchedHead || p.TouchedHead
	m.Complete = m.Complete && p.Complete && len(p.Files) > 0
	if m.After != p.After {
		m.After = "" // which of them is newer is not known
	}
	if m.size += sizeOf(p.Files); m.size > largestFiles {
		m.Complete = false
	}
	if !m.Complete {
		m.Files, m.within = nil, nil
		return
	}
	for _, file := range p.Files {
		if m.within[file] {
			continue
		}
		m.Files = append(m.Files, file)
		for dir := file; dir != "." && dir != "/" && !m.within[dir]; dir = path.Dir(dir) {
			m.within[dir] = true
		}
	}
}

// Application reports whether an Application asks for something that the events brought and it has not compared yet. It says yes when in doubt, because
// then the repository is only looked at.
func (c *Concerns) Application(app *gitopsv1.Application) bool {
	paths := app.Annotations[gitopsv1.AnnotationManifestGeneratePaths]
	for i, s := range gitopsv1.SourcesOf(app.Spec) {
		seen := compared(app, i)
		folders := refreshPaths(s.Path, paths)
		if slices.ContainsFunc(c.wished(wish{s.RepoURL, s.TargetRevision, s.TagPrefix}), func(m *move) bool {
			return (m.After == "" || m.After != seen) && m.touches(folders)
		}) {
			return true
		}
		if slices.ContainsFunc(c.artifacts, func(a Artifact) bool { return a.concerns(s) }) {
			return true
		}
	}
	return false
}

// compared is the commit of a source that an Application has compared; empty if it could not, and while it is asked to look: then it may have found
// another commit already, which it stores together with the answer.
func compared(app *gitopsv1.Application, source int) string {
	now := app.Status.Sync
	_, looks := app.Annotations[gitopsv1.AnnotationRefresh]
	switch {
	case looks:
		return ""
	case now.Status != gitopsv1.SyncSynced && now.Status != gitopsv1.SyncOutOfSync:
		return ""
	case !gitopsv1.HasSeveralSources(app.Spec):
		return now.Revision
	case source < len(now.Revisions):
		return now.Revisions[source]
	}
	return ""
}

// wished lists what moved of all that a source may lead to.
func (c *Concerns) wished(w wish) []*move {
	found, known := c.asked[w]
	if known || len(c.moves) == 0 {
		return found
	}
	for _, where := range addressesOf(w.repoURL) {
		for _, m := range c.moves[where] {
			if m.moved(w.revision, w.tagPrefix) {
				found = append(found, m)
			}
		}
	}
	if len(c.asked) < mostWishes {
		c.asked[w] = found
	}
	return found
}

// mostWishes is how many answers are remembered.
const mostWishes = 10_000

// address is what the page of a repository, or what it is cloned from, has in common with every other form of its address; empty if it is none.
func address(page string) string {
	u, err := url.Parse(strings.ToLower(page))
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") == "" {
		return ""
	}
	return u.Hostname() + "/" + strings.TrimSuffix(strings.TrimPrefix(u.EscapedPath(), "/"), ".git")
}

// form is what people write for a repository: over HTTP or SSH, by any user and on any port.
var form = regexp.MustCompile(`^(?:(?:https?|ssh)://)?(?:[\w][\w.+-]*(?::[^@/]*)?@)?([^/:@]+)(?::(\d+))?[:/](.+)$`)

// addressesOf lists the addresses that a source may mean: a number after a colon may be a port or a folder, and providers have hosts for SSH where
// firewalls allow only HTTPS.
func addressesOf(repoURL string) (all []string) {
	parts := form.FindStringSubmatch(strings.ToLower(strings.TrimSpace(repoURL)))
	if parts == nil {
		return nil
	}
	host, port, where := parts[1], parts[2], strings.TrimSuffix(parts[3], ".git")
	hosts := []string{host}
	for _, prefix := range []string{"ssh.", "altssh."} {
		if rest, found := strings.CutPrefix(host, prefix); found {
			hosts = append(hosts, rest)
		}
	}
	for _, host := range hosts {
		all = append(all, host+"/"+where)
		if port != "" {
			all = append(all, host+"/"+port+"/"+where)
		}
	}
	return all
}

// sameRepository reports whether two addresses lead to one repository.
func sameRepository(page, repoURL string) bool {
	where := address(page)
	return where != "" && slices.Contains(addressesOf(repoURL), where)
}

// moved reports whether what a source asks for may lead to another commit now.
func (p Push) moved(targetRevision, tagPrefix string) bool {
	if targetRevision == "" || targetRevision == gitopsv1.DefaultTargetRevision {
		return p.TouchedHead
	}
	wanted := strings.TrimPrefix(strings.TrimPrefix(targetRevision, "refs/heads/"), "refs/tags/")
	if wanted == p.Revision() {
		return true
	}
	tag, isTag := strings.CutPrefix(p.Ref, "refs/tags/"+tagPrefix)
	return isTag && fulfils(tag, targetRevision)
}

func fulfils(tag, constraint string) bool {
	c, err := semver.NewConstraint(constraint)
	if err != nil {
		return false
	}
	v, err := semver.NewVersion(tag)
	return err == nil && c.Check(v)
}

// refreshPaths resolves the annotation against the folder of a source; empty for everything.
func refreshPaths(sourcePath, annotation string) (paths []string) {
	for entry := range strings.SplitSeq(annotation, ";") {
		entry = strings.TrimSpace(entry)
		switch {
		case entry == "":
		case strings.HasPrefix(entry, "/"):
			paths = append(paths, path.Clean(strings.TrimPrefix(entry, "/")))
		default:
			paths = append(paths, path.Join(sourcePath, entry))
		}
	}
	return paths
}

// touches reports whether a changed file lies where the manifests come from. A path that leads out of the repository guards nothing, so everything
// counts then.
func (m *move) touches(paths []string) bool {
	return len(paths) == 0 || !m.Complete || slices.ContainsFunc(paths, m.changes)
}

func (m *move) changes(where string) bool {
	if where == "." || where == ".." || strings.HasPrefix(where, "../") || m.within[where] {
		return true
	}
	if !strings.ContainsAny(where, `*?[\`) {
		return false
	}
	return slices.ContainsFunc(m.Files, func(file string) bool {
		match, err := path.Match(where, file)
		return err == nil && match
	})
}

// concerns reports whether a source is the artifact, or the chart in it.
func (a Artifact) concerns(s gitopsv1.Source) bool {
	want := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(s.RepoURL, "oci://"), "/"))
	if s.Chart != "" {
		want += "/" + strings.ToLower(s.Chart)
	} else if !strings.HasPrefix(s.RepoURL, "oci://") {
		return false
	}
	if want != strings.ToLower(a.Registry+"/"+a.Repository) {
		return false
	}
	return s.TargetRevision == a.Tag || s.TargetRevision == "" || fulfils(a.Tag, s.TargetRevision)
}
