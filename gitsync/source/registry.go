package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	oras "oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/sluice-delivery/sluice/gitsync"
)

const (
	maxManifest = 4 << 20
	maxTags     = 100_000
	chartLayer  = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

var archives = []string{chartLayer, ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, "application/vnd.cncf.flux.content.v1.tar+gzip"}

// registry is one repository of a registry as one set of credentials sees it.
type registry struct {
	dir         string
	credentials credentials
	shelf       shelf
	turn, host  *queue
	vain        vain
	// known has what tags and constraints were resolved to.
	known map[string]resolved
}

// resolved is a tag, and the digest of its manifest at the moment asked.
type resolved struct {
	tag, digest string
	asked       time.Time
}

// resolveArtifact gives the digest of an artifact, or the version of a chart.
func (r *Repositories) resolveArtifact(ctx context.Context, want gitsync.Want, revision string) (string, error) {
	at, from, err := r.openRegistry(ctx, want)
	if err != nil {
		return "", err
	}
	found, err := r.lookUp(ctx, at, from, want, revision)
	if err != nil {
		return "", at.credentials.fit(fmt.Errorf("asking %s for %.80q: %w", from.Reference, revision, err))
	}
	if kindOf(want.Source) == kindOCIChart {
		return versionOf(found.tag), nil
	}
	return found.digest, nil
}

// fetchArtifact gives the files of a digest, or of the chart that a version stood for when it was resolved.
func (r *Repositories) fetchArtifact(ctx context.Context, want gitsync.Want, revision string) (gitsync.Checkout, error) {
	at, from, err := r.openRegistry(ctx, want)
	if err != nil {
		return gitsync.Checkout{}, err
	}
	want.Fresh = false
	found, err := r.lookUp(ctx, at, from, want, revision)
	if err != nil {
		return gitsync.Checkout{}, at.credentials.fit(fmt.Errorf("asking %s for %.80q: %w", from.Reference, revision, err))
	}
	if err := at.turn.enter(ctx); err != nil {
		return gitsync.Checkout{}, unreachable(fmt.Errorf("waiting for %s: %w", from.Reference, err))
	}
	defer at.turn.leave()
	e := at.shelf.take(found.digest)
	if e == nil {
		ctx, cancel := context.WithTimeout(ctx, r.Timeout)
		defer cancel()
		if err = os.MkdirAll(at.dir, 0o700); err == nil {
			e, err = at.pull(ctx, from, found.digest)
		}
		if err != nil {
			return gitsync.Checkout{}, at.credentials.fit(fmt.Errorf("fetching %s@%s: %w", from.Reference, found.digest, err))
		}
		at.shelf.put(found.digest, e)
	}
	return e.checkout(&at.shelf, found.digest, revision), nil
}

func (r *Repositories) openRegistry(ctx context.Context, want gitsync.Want) (*registry, *oras.Repository, error) {
	text := strings.TrimPrefix(strings.TrimSpace(want.Source.RepoURL), ociScheme)
	home, err := parseURL("https://"+text, []string{"https"})
	if err != nil {
		return nil, nil, err
	}
	keys, c, err := r.credentials(ctx, want, typeOCI, typeHelm)
	if err != nil {
		return nil, nil, err
	}
	name := strings.Trim(text, "/")
	if want.Source.Chart != "" {
		if !strings.HasPrefix(want.Source.RepoURL, ociScheme) && c.data["enableOCI"] != "true" {
			return nil, nil, fmt.Errorf("repoURL %s has no scheme: for a chart of a registry set enableOCI in its repository Secret, or begin repoURL with %s", name, ociScheme)
		}
		name += "/" + want.Source.Chart
	}
	repo, err := oras.NewRepository(name)
	if err != nil {
		return nil, nil, fmt.Errorf("%.200q names no repository of a registry", name)
	}
	if repo.PlainHTTP = c.data["insecureOCIForceHttp"] == "true" && slices.Contains(r.Schemes, "http"); repo.PlainHTTP {
		home.Scheme = "http"
	}
	client, err := browse(keys, c, home, false, true)
	if err != nil {
		return nil, nil, err
	}
	client.Timeout = r.Timeout
	repo.Client = &auth.Client{Client: client, Cache: auth.NewCache(), Credential: auth.StaticCredential(home.Host, auth.Credential{
		Username: c.data["username"], Password: c.data["password"], AccessToken: c.data["bearerToken"],
	})}
	repo.MaxMetadataBytes = maxManifest
	id, dir := r.place(ociScheme+name, c)
	host := r.host(home.Hostname())
	return one(r, &r.registries, id, want.Poll, func() *registry {
		return &registry{dir: dir, credentials: c, known: map[string]resolved{}, turn: newQueue(1, r.waits()), host: host}
	}), repo, nil
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// lookUp gives the manifest that a digest, a tag or a version constraint stands for. A tag is looked up once an interval.
func (r *Repositories) lookUp(ctx context.Context, at *registry, from *oras.Repository, want gitsync.Want, revision string) (resolved, error) {
	if digestPattern.MatchString(revision) {
		return resolved{digest: revision}, nil
	}
	if revision == "" {
		revision = "latest"
	}
	began := time.Now()
	if err := at.turn.enter(ctx); err != nil {
		return resolved{}, err
	}
	defer at.turn.leave()
	oldest := r.oldest(want)
	if want.Fresh {
		oldest = began
	}
	if known, found := at.known[revision]; found && !known.asked.Before(oldest) {
		return known, nil
	}
	if err := at.vain.since(oldest); err != nil {
		return resolved{}, err
	}
	asked := time.Now()
	answer, err := at.look(ctx, from, revision, r.Timeout)
	if err != nil {
		var gone *gitsync.UnreachableError
		if errors.As(err, &gone) {
			at.vain = inVain(ctx, err, asked)
		}
		return resolved{}, err
	}
	answer.asked = asked
	at.known[revision], at.known[versionOf(answer.tag)], at.vain = answer, answer, vain{}
	return answer, nil
}

// look asks the server.
func (r *registry) look(ctx context.Context, from *oras.Repository, revision string, timeout time.Duration) (resolved, error) {
	if err := r.host.enter(ctx); err != nil {
		return resolved{}, err
	}
	defer r.host.leave()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tag := tagOf(revision)
	found, err := from.Resolve(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) || errors.Is(err, errdef.ErrInvalidReference) {
		if tag, err = newestTag(ctx, from, revision); err != nil {
			return resolved{}, err
		}
		found, err = from.Resolve(ctx, tag)
	}
	if err != nil {
		return resolved{}, &gitsync.UnreachableError{Cause: withoutURL(err)}
	}
	return resolved{tag: tag, digest: found.Digest.String()}, nil
}

// tagOf and versionOf write the plus sign of a version, which no tag may have, as Helm does.
func tagOf(version string) string { return strings.ReplaceAll(version, "+", "_") }

func versionOf(tag string) string { return strings.ReplaceAll(tag, "_", "+") }

func newestTag(ctx context.Context, from *oras.Repository, constraint string) (string, error) {
	var versions []string
	err := from.Tags(ctx, "", func(tags []string) error {
		for _, t := range tags {
			versions = append(versions, versionOf(t))
		}
		if len(versions) > maxTags {
			return fmt.Errorf("it has more than %d tags", maxTags)
		}
		return nil
	})
	if err != nil {
		return "", &gitsync.UnreachableError{Cause: fmt.Errorf("listing the tags: %w", withoutURL(err))}
	}
	version, err := newest(versions, constraint)
	return tagOf(version), err
}

// pull unpacks the one layer of an artifact. Manifest and layer are what their digests say, or nothing is unpacked.
func (r *registry) pull(ctx context.Context, from *oras.Repository, revision string) (*export, error) {
	if err := r.host.enter(ctx); err != nil {
		return nil, err
	}
	defer r.host.leave()
	about, err := from.Resolve(ctx, revision)
	if err != nil {
		return nil, &gitsync.UnreachableError{Cause: withoutURL(err)}
	}
	if about.Size > maxManifest || about.Digest != digest.Digest(revision) {
		return nil, errors.New("its manifest is too large, or another one than was asked for")
	}
	text, err := content.FetchAll(ctx, from, about)
	if err != nil {
		return nil, fmt.Errorf("reading its manifest: %w", brokenOff(err))
	}
	layer, err := layerOf(text)
	if err != nil {
		return nil, err
	}
	body, err := from.Blobs().Fetch(ctx, layer)
	if err != nil {
		return nil, &gitsync.UnreachableError{Cause: fmt.Errorf("reading its layer: %w", withoutURL(err))}
	}
	defer body.Close()
	archive, err := os.CreateTemp(r.dir, "archive-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(archive.Name())
	defer archive.Close()
	verified := content.NewVerifyReader(body, layer)
	if _, err := io.Copy(archive, verified); err != nil {
		return nil, fmt.Errorf("reading its layer: %w", brokenOff(err))
	}
	if err := verified.Verify(); err != nil {
		return nil, fmt.Errorf("its layer is not what its digest and size say: %w", err)
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return unpacked(archive, r.dir, layer.Digest.String(), layer.MediaType == chartLayer)
}

// brokenOff tells a server that gave something else, and a disk that takes no more, from a server that hung up.
func brokenOff(err error) error {
	var file *fs.PathError
	if errors.As(err, &file) {
		return err
	}
	for _, wrong := range []error{content.ErrInvalidDescriptorSize, content.ErrMismatchedDigest, content.ErrTrailingData} {
		if errors.Is(err, wrong) {
			return err
		}
	}
	return &gitsync.UnreachableError{Cause: withoutURL(err)}
}

// layerOf finds the one archive in a manifest.
func layerOf(text []byte) (ocispec.Descriptor, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return ocispec.Descriptor{}, errors.New("its manifest is no JSON")
	}
	layers := slices.DeleteFunc(m.Layers, func(l ocispec.Descriptor) bool { return !slices.Contains(archives, l.MediaType) })
	switch {
	case m.MediaType == ocispec.MediaTypeImageIndex || len(m.Layers) == 0:
		return ocispec.Descriptor{}, fmt.Errorf("it holds no layer with files: one of the type %s is wanted", strings.Join(archives, " or "))
	case len(layers) != 1:
		return ocispec.Descriptor{}, errors.New("it has several layers with files, where one is wanted")
	case layers[0].Size > maxPacked || layers[0].Digest.Validate() != nil:
		return ocispec.Descriptor{}, fmt.Errorf("its layer is larger than %d MiB, or has no digest", maxPacked>>20)
	}
	return layers[0], nil
}
