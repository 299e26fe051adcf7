package source

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/child"
	"github.com/sluice-delivery/sluice/internal/dial"
)

// Repositories are all repositories: of Git, of Helm, and registries. It is safe for concurrent use. Its fields must be set before use.
type Repositories struct {
	// Dir holds the clones and exported trees; it must be private to this process, and what is in it may be lost at any time between runs.
	Dir string
	// Keys gives credentials and what is trusted, as they are now.
	Keys func(ctx context.Context) (Keys, error)
	// Poll is how long what a repository said is believed.
	Poll time.Duration
	// Timeout bounds each question to a repository.
	Timeout time.Duration
	// Schemes are allowed besides https and ssh, such as http on a loopback address.
	Schemes []string

	// patience is shorter in tests, lookup knows other names, and clock another time.
	patience time.Duration
	lookup   dial.Lookup
	clock    func() time.Time

	mu         sync.Mutex
	hosts      kept[queue]
	clones     kept[clone]
	charts     kept[chartRepository]
	registries kept[registry]
	readers    child.Crew
	measures   *measures
	// installations of GitHub Apps have tokens, by the credentials that ask for these.
	installations kept[installation]
}

// oldest is the moment from which on what a repository said is believed, if nothing fresh is asked for.
func (r *Repositories) oldest(want gitsync.Want) time.Time {
	switch {
	case want.Poll == nil:
		return time.Now().Add(-r.Poll)
	case want.Poll.Every == 0:
		return time.Unix(0, 0) // later than the moment of a question that was never asked
	}
	return time.Now().Add(-want.Poll.Every)
}

// Resolve gives the commit, the version of a chart, or the digest of an artifact that a source asks for.
func (r *Repositories) Resolve(ctx context.Context, want gitsync.Want) (string, error) {
	revision := want.Source.TargetRevision
	if want.Revision != "" {
		revision = want.Revision
	}
	switch kindOf(want.Source) {
	case kindChart:
		return r.resolveChart(ctx, want, revision)
	case kindOCIChart, kindOCI:
		return r.resolveArtifact(ctx, want, revision)
	default:
		return r.resolveCommit(ctx, want, revision)
	}
}

// Fetch gives the files of a revision that Resolve gave, verified as the project asks. Callers share them.
func (r *Repositories) Fetch(ctx context.Context, want gitsync.Want, revision string) (gitsync.Checkout, error) {
	kind := kindOf(want.Source)
	if kind != kindGit && len(want.Project.Spec.SignatureKeys) > 0 {
		return gitsync.Checkout{}, fmt.Errorf("project %s asks for signed commits (signatureKeys), and charts and artifacts carry no such signature", want.Project.Name)
	}
	switch kind {
	case kindChart:
		return r.fetchChart(ctx, want, revision)
	case kindOCIChart, kindOCI:
		return r.fetchArtifact(ctx, want, revision)
	default:
		return r.fetchCommit(ctx, want, revision)
	}
}

// credentials are those that the project of a source may use, and all keys.
func (r *Repositories) credentials(ctx context.Context, want gitsync.Want, types ...string) (Keys, credentials, error) {
	keys, err := r.Keys(ctx)
	if err != nil {
		return keys, credentials{}, fmt.Errorf("reading the credentials of repositories: %w", err)
	}
	c, err := keys.choose(want.Source.RepoURL, want.Project.Name, types...)
	return keys, c, err
}

// place keeps apart what is reached with different credentials: an identity, and a folder.
func (r *Repositories) place(remote string, c credentials) (id, dir string) {
	sum := sha256.Sum256([]byte(remote + "\n" + c.fingerprint()))
	id = hex.EncodeToString(sum[:16])
	return id, filepath.Join(r.Dir, id)
}

// host lets in who asks a server.
func (r *Repositories) host(name string) *queue {
	return one(r, &r.hosts, strings.ToLower(name), nil, func() *queue { return newQueue(perHost, r.waits()) })
}

func (r *Repositories) waits() time.Duration { return cmp.Or(r.patience, patience) }

// kind of a repository, as a source names it.
type kind int

const (
	kindGit kind = iota
	// kindChart is a chart of a Helm repository, kindOCIChart one of a registry, and kindOCI any artifact of a registry.
	kindChart
	kindOCIChart
	kindOCI
)

// kindOf is told by the source alone: a chart whose repoURL has no scheme comes from a registry.
func kindOf(s gitopsv1.Source) kind {
	registry := strings.HasPrefix(strings.ToLower(strings.TrimSpace(s.RepoURL)), ociScheme)
	switch {
	case s.Chart != "" && (registry || !strings.Contains(s.RepoURL, "://")):
		return kindOCIChart
	case s.Chart != "":
		return kindChart
	case registry:
		return kindOCI
	}
	return kindGit
}
