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

// ConcernsApplication reports whether an Application asks for something that the event brought. It says yes when in doubt, because then the
// repository is only looked at.
func (e Event) ConcernsApplication(app *gitopsv1.Application) bool {
	paths := app.Annotations[gitopsv1.AnnotationManifestGeneratePaths]
	return slices.ContainsFunc(gitopsv1.SourcesOf(app.Spec), func(s gitopsv1.Source) bool {
		return slices.ContainsFunc(e.Pushes, func(p Push) bool { return p.concerns(s, paths) }) ||
			slices.ContainsFunc(e.Artifacts, func(a Artifact) bool { return a.concerns(s) })
	})
}

func (p Push) concerns(s gitopsv1.Source, paths string) bool {
	return p.of(s.RepoURL) && p.moved(s.TargetRevision, s.TagPrefix) && p.touches(refreshPaths(s.Path, paths))
}

// of reports whether a repository was pushed to.
func (p Push) of(repoURL string) bool {
	return slices.ContainsFunc(p.RepoURLs, func(pushed string) bool { return sameRepository(pushed, repoURL) })
}

// sameRepository reports whether two addresses lead to one repository: its page, or what it is cloned from, over HTTP or SSH, by any user and on
// any port, and on the hosts that providers have for SSH where firewalls allow only HTTPS.
func sameRepository(page, repoURL string) bool {
	u, err := url.Parse(strings.ToLower(page))
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") == "" || !strings.Contains(strings.ToLower(repoURL), u.Hostname()) {
		return false
	}
	where := strings.TrimSuffix(strings.TrimPrefix(u.EscapedPath(), "/"), ".git")
	pattern := `^(?:(?:https?|ssh)://)?(?:[\w][\w.+-]*(?::[^@/]*)?@)?(?:ssh\.|altssh\.)?` + regexp.QuoteMeta(u.Hostname()) + `(?::\d+)?[:/]` + regexp.QuoteMeta(where) + `(?:\.git)?$`
	match, err := regexp.MatchString(pattern, strings.ToLower(strings.TrimSpace(repoURL)))
	return err == nil && match
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
func (p Push) touches(paths []string) bool {
	if len(paths) == 0 || len(p.Files) == 0 || !p.Complete {
		return true
	}
	return slices.ContainsFunc(paths, func(where string) bool {
		return slices.ContainsFunc(p.Files, func(file string) bool { return covers(where, file) })
	})
}

func covers(where, file string) bool {
	if where == "." || where == ".." || strings.HasPrefix(where, "../") || where == file || strings.HasPrefix(file, where+"/") {
		return true
	}
	match, err := path.Match(where, file)
	return err == nil && match
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
