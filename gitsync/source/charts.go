package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/child"
)

const (
	maxIndex = 64 << 20
	// indexMemory bounds the child that reads an index, in bytes.
	indexMemory = 256 << 20
)

// chartRepository is one Helm repository as one set of credentials sees it; whoever has entered by turn may touch it.
type chartRepository struct {
	dir string
	// shown is its URL without user, some of whom are tokens.
	shown       string
	credentials credentials
	turn, host  *queue
	// versions of the charts that were asked for, from the index of the moment asked.
	versions map[string][]chartVersion
	asked    time.Time
	vain     vain
	shelf    shelf
}

// chartVersion is one entry of an index.
type chartVersion struct {
	Version, URL, Digest string
}

// resolveChart gives the version of a chart that a source asks for.
func (r *Repositories) resolveChart(ctx context.Context, want gitsync.Want, revision string) (string, error) {
	began := time.Now()
	repo, at, client, err := r.openCharts(ctx, want)
	if err != nil {
		return "", err
	}
	defer repo.leave()
	versions, err := r.versions(ctx, repo, at, client, want, began)
	if err != nil {
		return "", err
	}
	var names []string
	for _, v := range versions {
		names = append(names, v.Version)
	}
	version, err := newest(names, revision)
	if err != nil {
		return "", fmt.Errorf("chart %s of %s: %w", want.Source.Chart, repo.shown, err)
	}
	return version, nil
}

// fetchChart gives the files of a version of a chart. Without a digest in the index, what is downloaded counts as it is.
func (r *Repositories) fetchChart(ctx context.Context, want gitsync.Want, version string) (gitsync.Checkout, error) {
	repo, at, client, err := r.openCharts(ctx, want)
	if err != nil {
		return gitsync.Checkout{}, err
	}
	defer repo.leave()
	versions, err := r.versions(ctx, repo, at, client, want, time.Time{})
	if err != nil {
		return gitsync.Checkout{}, err
	}
	for _, v := range versions {
		if v.Version != version {
			continue
		}
		key := want.Source.Chart + " " + v.Version + " " + v.Digest
		e := repo.shelf.take(key)
		if e == nil {
			if e, err = r.download(ctx, repo, at, client, v); err != nil {
				return gitsync.Checkout{}, repo.credentials.fit(fmt.Errorf("fetching chart %s %s of %s: %w", want.Source.Chart, version, repo.shown, err))
			}
			repo.shelf.put(key, e)
		}
		return e.checkout(&repo.shelf, key, version), nil
	}
	return gitsync.Checkout{}, fmt.Errorf("%s has no version %s of chart %s any more", repo.shown, version, want.Source.Chart)
}

func (r *Repositories) openCharts(ctx context.Context, want gitsync.Want) (*chartRepository, *url.URL, *http.Client, error) {
	at, err := parseURL(want.Source.RepoURL, append([]string{"https"}, r.Schemes...))
	if err != nil {
		return nil, nil, nil, err
	}
	keys, c, err := r.credentials(ctx, want, typeHelm)
	if err != nil {
		return nil, nil, nil, err
	}
	if c.header() != "" {
		at.User = nil // what the Secret says counts
	}
	everywhere := want.Source.Helm != nil && want.Source.Helm.PassCredentials
	client, err := browse(keys, c, at, everywhere, false)
	if err != nil {
		return nil, nil, nil, err
	}
	id, dir := r.place("charts "+at.String()+fmt.Sprint(everywhere), c)
	host := r.host(at.Hostname())
	shown := *at
	shown.User = nil
	repo := one(r, &r.charts, id, want.Poll, func() *chartRepository {
		return &chartRepository{dir: dir, shown: shown.String(), credentials: c, turn: newQueue(1, r.waits()), host: host}
	})
	if err := repo.turn.enter(ctx); err != nil {
		return nil, nil, nil, unreachable(fmt.Errorf("waiting for %s: %w", repo.shown, err))
	}
	if err := os.MkdirAll(repo.dir, 0o700); err != nil {
		repo.leave()
		return nil, nil, nil, err
	}
	return repo, at, client, nil
}

func (c *chartRepository) leave() { c.turn.leave() }

// get writes what lies at a URL.
func (c *chartRepository) get(ctx context.Context, client *http.Client, b bounds, at string, to io.Writer) error {
	if err := c.host.enter(ctx); err != nil {
		return err
	}
	defer c.host.leave()
	return b.get(ctx, client, at, to)
}

func (c *chartRepository) index() string { return filepath.Join(c.dir, "index.yaml") }

// versions lists the versions of a chart. The index is asked for once an interval however many charts are used, and read in a child, because
// it may be of any size and shape.
func (r *Repositories) versions(ctx context.Context, c *chartRepository, at *url.URL, client *http.Client, want gitsync.Want, began time.Time) ([]chartVersion, error) {
	oldest := r.oldest(want)
	if want.Fresh && began.After(oldest) {
		oldest = began
	}
	if c.versions == nil || c.asked.Before(oldest) {
		if err := c.vain.since(oldest); err != nil {
			return nil, err
		}
		asked := time.Now()
		var text bytes.Buffer
		if err := c.get(ctx, client, bounds{r.Timeout, maxIndex}, at.JoinPath("index.yaml").String(), &text); err != nil {
			err = c.credentials.fit(fmt.Errorf("asking %s for its charts: %w", c.shown, err))
			c.vain = inVain(ctx, err, asked)
			return nil, err
		}
		if err := os.WriteFile(c.index(), text.Bytes(), 0o600); err != nil {
			return nil, err
		}
		c.versions, c.asked = map[string][]chartVersion{}, asked
	}
	name := want.Source.Chart
	if versions, known := c.versions[name]; known {
		return versions, nil
	}
	limits := child.Limits{What: "reading the index", Time: r.Timeout, Memory: indexMemory, Output: maxIndex}
	text, err := r.readers.Ask(ctx, indexCommand, limits, indexQuestion{File: c.index(), Chart: name})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.shown, err)
	}
	versions, err := parseIndexAnswer(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.shown, err)
	}
	c.versions[name] = versions
	return versions, nil
}

// download unpacks the archive of a version.
func (r *Repositories) download(ctx context.Context, c *chartRepository, at *url.URL, client *http.Client, v chartVersion) (*export, error) {
	link, err := url.Parse(v.URL)
	if err != nil || v.URL == "" {
		return nil, errors.New("the index has no usable URL for it")
	}
	base := *at
	base.Path = strings.TrimSuffix(base.Path, "/") + "/"
	archive, err := os.CreateTemp(c.dir, "archive-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(archive.Name())
	defer archive.Close()
	if err := c.get(ctx, client, bounds{r.Timeout, maxPacked}, base.ResolveReference(link).String(), archive); err != nil {
		return nil, err
	}
	digest, err := digestOf(archive)
	if err != nil {
		return nil, err
	}
	if told := strings.TrimPrefix(v.Digest, "sha256:"); told != "" && !strings.EqualFold(told, digest) {
		return nil, fmt.Errorf("the archive has the digest %s, where the index says %.80s", digest, told)
	}
	return unpacked(archive, c.dir, digest, true)
}

func digestOf(file *os.File) (string, error) {
	sum := sha256.New()
	if _, err := file.Seek(0, 0); err != nil {
		return "", err
	}
	if _, err := file.WriteTo(sum); err != nil {
		return "", err
	}
	_, err := file.Seek(0, 0)
	return fmt.Sprintf("%x", sum.Sum(nil)), err
}

// unpacked makes a folder of an archive whose whole content has one identity.
func unpacked(archive *os.File, below, digest string, strip bool) (*export, error) {
	dir, err := os.MkdirTemp(below, "files-")
	if err != nil {
		return nil, err
	}
	if err := unpack(archive, dir, strip, maxUnpacked); err != nil {
		return nil, fmt.Errorf("%w%s", err, tail(os.RemoveAll(dir)))
	}
	return &export{dir: dir, tree: func(string) string { return "archive " + digest }}, nil
}
