package source

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// refs are the refs of a repository: full name to commit. Annotated tags are resolved to their commit.
type refs map[string]string

var fullSHA = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// parseRefs reads the output of git ls-remote.
func parseRefs(output []byte) refs {
	all := refs{}
	for line := range strings.Lines(string(output)) {
		sha, name, found := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !found || !fullSHA.MatchString(sha) {
			continue // git prints nothing else that concerns us
		}
		// The commit of an annotated tag comes after the tag itself.
		all[strings.TrimSuffix(name, "^{}")] = sha
	}
	return all
}

// checkRevision refuses what is no name of a revision, before it meets git or a listing.
func checkRevision(revision string) error {
	bad := strings.HasPrefix(revision, "-") || len(revision) > 1024 || strings.Contains(revision, "..") || strings.Contains(revision, "@{") ||
		strings.ContainsFunc(revision, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' })
	if bad {
		return fmt.Errorf("targetRevision %.80q is no branch, tag, commit or version constraint", revision)
	}
	return nil
}

// find gives the commit that a revision asks for: an exact name first, where a branch beats a tag, then a semver constraint on tags.
func (r refs) find(revision, tagPrefix string) (string, error) {
	revision = cmp.Or(revision, "HEAD")
	for _, name := range []string{revision, "refs/heads/" + revision, "refs/tags/" + revision} {
		if sha := r[name]; sha != "" && (name == "HEAD" || strings.HasPrefix(name, "refs/")) {
			return sha, nil
		}
	}
	if revision == "HEAD" {
		return "", fmt.Errorf("the repository has no default branch with a commit; push one or set targetRevision")
	}
	if _, err := semver.NewVersion(revision); err == nil {
		return "", fmt.Errorf("there is no branch or tag %q", revision)
	}
	constraint, err := semver.NewConstraint(revision)
	if err != nil {
		return "", fmt.Errorf("there is no branch or tag %q, and it is neither a full commit SHA nor a version constraint", revision)
	}
	sha := r.newest(constraint, tagPrefix)
	if sha == "" {
		return "", fmt.Errorf("no tag that begins with %q fulfils %q", tagPrefix, revision)
	}
	return sha, nil
}

// newest gives the commit of the highest version among the tags with a prefix; empty if none fulfils the constraint.
func (r refs) newest(constraint *semver.Constraints, tagPrefix string) (sha string) {
	var best *semver.Version
	for name, commit := range r {
		tag, isTag := strings.CutPrefix(name, "refs/tags/"+tagPrefix)
		v, err := semver.NewVersion(tag)
		if !isTag || err != nil || !constraint.Check(v) {
			continue // tags that are no versions take no part
		}
		// Two spellings of one version, such as v1.2.0 and 1.2.0, must not depend on the order of a map.
		if best == nil || v.GreaterThan(best) || v.Equal(best) && v.Original() > best.Original() {
			best, sha = v, commit
		}
	}
	return sha
}
