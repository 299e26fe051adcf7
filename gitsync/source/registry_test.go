package source

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// registryServer serves one repository to whoever knows the password.
type registryServer struct {
	host string
	// tags lead to digests, and content is by digest.
	tags    map[string]string
	content map[string][]byte
	types   map[string]string
	// endless has lists of tags, and slow manifests, go on for ever; away is where blobs lie.
	endless bool
	slow    string
	away    string
	// cut is what breaks off, and never if it is empty.
	cut string
}

func digestText(text []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(text)) }

func (s *registryServer) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if _, password, _ := q.BasicAuth(); password != canary {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"`+password+`"}]}`, http.StatusUnauthorized)
		return
	}
	path := strings.TrimPrefix(q.URL.Path, "/v2/org/web/")
	reference := path[strings.LastIndex(path, "/")+1:]
	switch {
	case path == "tags/list" && s.endless:
		w.Header().Set("Link", `</v2/org/web/tags/list?last=x>; rel="next"`)
		fmt.Fprint(w, `{"name":"org/web","tags":["x"]}`)
	case path == "tags/list":
		var names []string
		for name := range s.tags {
			names = append(names, name)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "org/web", "tags": names})
	case strings.HasPrefix(path, "blobs/") && s.away != "":
		http.Redirect(w, q, s.away+"/"+reference, http.StatusTemporaryRedirect)
	case q.Method == http.MethodGet && s.slow != "" && reference == s.slow:
		w.Header().Set("Content-Type", s.types[reference])
		for q.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	case strings.HasPrefix(path, "manifests/") || strings.HasPrefix(path, "blobs/"):
		digest := reference
		if found := s.tags[reference]; found != "" {
			digest = found
		}
		text, found := s.content[digest]
		if !found {
			http.NotFound(w, q)
			return
		}
		w.Header().Set("Content-Type", s.types[digest])
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		if digest == s.cut && q.Method == http.MethodGet {
			text = text[:len(text)/2]
		}
		_, _ = w.Write(text)
	default:
		http.NotFound(w, q)
	}
}

// push makes an artifact with layers.
func (s *registryServer) push(t *testing.T, tag, mediaType string, layers ...ocispec.Descriptor) string {
	t.Helper()
	m := ocispec.Manifest{MediaType: mediaType, Layers: layers}
	m.SchemaVersion = 2
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	digest := digestText(text)
	s.tags[tag], s.content[digest], s.types[digest] = digest, text, mediaType
	return digest
}

func (s *registryServer) layer(mediaType string, text []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: mediaType, Size: int64(len(text)), Digest: digest.FromBytes(text)}
	s.content[d.Digest.String()] = text
	return d
}

func serveRegistry(t *testing.T) *registryServer {
	t.Helper()
	s := &registryServer{tags: map[string]string{}, content: map[string][]byte{}, types: map[string]string{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.host = strings.TrimPrefix(server.URL, "http://")
	return s
}

func registries(t *testing.T, s *registryServer, password string) *Repositories {
	return &Repositories{Dir: t.TempDir(), Poll: time.Hour, Timeout: 5 * time.Second, Schemes: []string{"http"}, Keys: func(context.Context) (Keys, error) {
		return Keys{Secrets: []corev1.Secret{{
			ObjectMeta: metav1.ObjectMeta{Name: "registry", Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepoCreds}},
			Data: map[string][]byte{
				"url": []byte(s.host), "type": []byte("helm"), "enableOCI": []byte("true"), "insecureOCIForceHttp": []byte("true"), "username": []byte("u"), "password": []byte(password),
			},
		}}}, nil
	}}
}

func wantArtifact(s *registryServer, chart, revision string) gitsync.Want {
	source := gitopsv1.Source{RepoURL: ociScheme + s.host + "/org/web", Path: ".", TargetRevision: revision}
	if chart != "" {
		source = gitopsv1.Source{RepoURL: s.host + "/org", Chart: chart, TargetRevision: revision}
	}
	return gitsync.Want{Project: &gitopsv1.AppProject{}, Source: source}
}

func TestArtifactsResolveToDigestsAndChartsToVersions(t *testing.T) {
	s := serveRegistry(t)
	one := s.push(t, "1.2.0", ocispec.MediaTypeImageManifest, s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, file("a.yaml", "one"))))
	s.push(t, "1.3.0_build", ocispec.MediaTypeImageManifest, s.layer(chartLayer, packed(t, file("web/Chart.yaml", "two"))))
	s.push(t, "latest", ocispec.MediaTypeImageManifest, s.layer(ocispec.MediaTypeImageLayer, packed(t, file("a.yaml", "three"))))
	all := registries(t, s, canary)
	for asked, digest := range map[string]string{"1.2.0": one, "~1.2": one, "": s.tags["latest"], one: one, ">=1.0": s.tags["1.3.0_build"]} {
		if got, err := all.Resolve(t.Context(), wantArtifact(s, "", asked)); err != nil || got != digest {
			t.Errorf("%q gives %s, %v; want %s", asked, got, err, digest)
		}
	}
	for asked, version := range map[string]string{"1.2.0": "1.2.0", "1.x": "1.3.0+build", "1.3.0+build": "1.3.0+build"} {
		if got, err := all.Resolve(t.Context(), wantArtifact(s, "web", asked)); err != nil || got != version {
			t.Errorf("chart %q gives %s, %v; want %s", asked, got, err, version)
		}
	}
	for revision, path := range map[string]string{one: "a.yaml", "latest": "a.yaml", "1.3.0+build": "Chart.yaml"} {
		got, err := all.Fetch(t.Context(), wantArtifact(s, "", revision), revision)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(got.Dir, path)); err != nil {
			t.Errorf("%s: %v", revision, err)
		}
		got.Release()
	}
}

func TestATagThatMovesAfterItWasResolvedChangesNothing(t *testing.T) {
	s := serveRegistry(t)
	s.push(t, "1.0.0", ocispec.MediaTypeImageManifest, s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, file("a.yaml", "good"))))
	all := registries(t, s, canary)
	digest, err := all.Resolve(t.Context(), wantArtifact(s, "", "1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	s.push(t, "1.0.0", ocispec.MediaTypeImageManifest, s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, file("a.yaml", "bad"))))
	got, err := all.Fetch(t.Context(), wantArtifact(s, "", "1.0.0"), digest)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	if text, err := os.ReadFile(filepath.Join(got.Dir, "a.yaml")); err != nil || string(text) != "good" {
		t.Errorf("the file says %q, %v", text, err)
	}
}

func TestHostileArtifactsAreRefused(t *testing.T) {
	good := file("a.yaml", "x")
	for name, c := range map[string]struct {
		push   func(s *registryServer)
		reason string
	}{
		"a layer that is not what its digest says": {func(s *registryServer) {
			l := s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, good))
			s.content[l.Digest.String()] = packed(t, file("a.yaml", "y"))
			s.push(t, "1", ocispec.MediaTypeImageManifest, l)
		}, "mismatch"},
		"a layer that is longer than it says": {func(s *registryServer) {
			l := s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, good))
			s.content[l.Digest.String()] = append(packed(t, good), make([]byte, 1<<20)...)
			s.push(t, "1", ocispec.MediaTypeImageManifest, l)
		}, "mismatch"},
		"a layer that says it is huge": {func(s *registryServer) {
			l := s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, good))
			l.Size = 1 << 40
			s.push(t, "1", ocispec.MediaTypeImageManifest, l)
		}, "larger than"},
		"several layers": {func(s *registryServer) {
			l := s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, good))
			s.push(t, "1", ocispec.MediaTypeImageManifest, l, l)
		}, "several layers"},
		"no layer": {func(s *registryServer) { s.push(t, "1", ocispec.MediaTypeImageManifest) }, "no layer with files"},
		"an index": {func(s *registryServer) { s.push(t, "1", ocispec.MediaTypeImageIndex) }, "no layer with files"},
		"a path upwards": {func(s *registryServer) {
			s.push(t, "1", ocispec.MediaTypeImageManifest, s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, file("../x", "x"))))
		}, "leads out of it"},
		"a link": {func(s *registryServer) {
			s.push(t, "1", ocispec.MediaTypeImageManifest, s.layer(ocispec.MediaTypeImageLayer, packed(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "x", Linkname: "/etc"})))
		}, "neither a file nor a folder"},
		"a manifest that is not what its digest says": {func(s *registryServer) {
			l := s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, good))
			one := s.push(t, "1", ocispec.MediaTypeImageManifest, l)
			s.content[one] = append(s.content[one], ' ')
		}, "mismatch"},
		"a manifest without end": {func(s *registryServer) {
			s.slow = s.push(t, "1", ocispec.MediaTypeImageManifest, s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, good)))
		}, "reading its manifest"},
		"a layer without end": {func(s *registryServer) {
			l := s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, good))
			s.push(t, "1", ocispec.MediaTypeImageManifest, l)
			s.slow = l.Digest.String()
		}, "not what its digest and size say"},
		"tags without end": {func(s *registryServer) { s.endless = true }, "listing the tags"},
		"nothing":          {func(*registryServer) {}, "no version constraint"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveRegistry(t)
			c.push(s)
			revision := "1"
			if name == "nothing" {
				revision = "main"
			}
			all := registries(t, s, canary)
			begun := time.Now()
			_, err := all.Fetch(t.Context(), wantArtifact(s, "", revision), revision)
			if err == nil || !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), canary) {
				t.Errorf("error %v, want %q", err, c.reason)
			}
			if took := time.Since(begun); took > time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestARegistryThatHangsUpIsUnreachableAndOneThatLiesIsNot(t *testing.T) {
	for name, c := range map[string]struct {
		change      func(s *registryServer, manifest, layer string)
		unreachable bool
	}{
		"in its manifest": {func(s *registryServer, manifest, _ string) { s.cut = manifest }, true},
		"in its layer":    {func(s *registryServer, _, layer string) { s.cut = layer }, true},
		"another layer":   {func(s *registryServer, _, layer string) { s.content[layer][20] ^= 1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveRegistry(t)
			layer := s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, file("a.yaml", "good")))
			one := s.push(t, "1", ocispec.MediaTypeImageManifest, layer)
			c.change(s, one, layer.Digest.String())
			_, err := registries(t, s, canary).Fetch(t.Context(), wantArtifact(s, "", one), one)
			var gone *gitsync.UnreachableError
			if err == nil || errors.As(err, &gone) != c.unreachable {
				t.Errorf("error %v, unreachable should be %t", err, c.unreachable)
			}
		})
	}
}

// TestADiskThatTakesNoMoreIsNotBlamedOnTheServer writes to a file that takes nothing.
func TestADiskThatTakesNoMoreIsNotBlamedOnTheServer(t *testing.T) {
	name := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	full, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	_, copied := io.Copy(full, strings.NewReader("a layer"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a chart") }))
	defer server.Close()
	for name, err := range map[string]error{
		"a layer of a registry": brokenOff(copied),
		"a download":            bounds{time.Minute, 1 << 10}.get(t.Context(), server.Client(), server.URL, full),
	} {
		var gone *gitsync.UnreachableError
		if err == nil || errors.As(err, &gone) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestCredentialsOfARegistryStayAtHome(t *testing.T) {
	s := serveRegistry(t)
	layer := s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, file("a.yaml", "good")))
	one := s.push(t, "1", ocispec.MediaTypeImageManifest, layer)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") != "" {
			t.Error("the credentials followed the redirect")
		}
		_, _ = w.Write(s.content[layer.Digest.String()])
	}))
	defer other.Close()
	s.away = other.URL
	got, err := registries(t, s, canary).Fetch(t.Context(), wantArtifact(s, "", one), one)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	if text, err := os.ReadFile(filepath.Join(got.Dir, "a.yaml")); err != nil || string(text) != "good" {
		t.Errorf("the file says %q, %v", text, err)
	}
}

func TestARegistryIsAskedOnlyAsItsSecretSays(t *testing.T) {
	s := serveRegistry(t)
	if _, err := registries(t, s, "wrong-"+canary).Resolve(t.Context(), wantArtifact(s, "", "1")); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("a wrong password gives %v", err)
	}
	all := &Repositories{Dir: t.TempDir(), Timeout: time.Second, Keys: keysFor("", "")}
	for url, reason := range map[string]string{"registry.example.com/org": "set enableOCI", "a b/org": "no repository URL may have", "u:p@host/org": "holds a password", "oci://-x/org": "no usable host"} {
		w := gitsync.Want{Project: &gitopsv1.AppProject{}, Source: gitopsv1.Source{RepoURL: url, Chart: "web"}}
		if _, err := all.Resolve(t.Context(), w); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s gives %v, want %q", url, err, reason)
		}
	}
}
