package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// asking gives what reaches some repositories, with a Secret for each that may ask for more than Git has.
func asking(t *testing.T, asks string, urls ...string) *Repositories {
	t.Helper()
	var keys Keys
	for i, url := range urls {
		keys.Secrets = append(keys.Secrets, corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("repo-", i), Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepository}},
			Data:       map[string][]byte{"url": []byte(url), "username": []byte("git"), "password": []byte(canary), asks: []byte("true")},
		})
		asks = "ignored"
	}
	return &Repositories{Dir: t.TempDir(), Keys: func(context.Context) (Keys, error) { return keys, nil }, Poll: time.Hour, Timeout: 20 * time.Second, Schemes: []string{"http"}}
}

// permitting is what is wanted of a repository in a project that permits some.
func permitting(url string, patterns ...string) gitsync.Want {
	w := want(url, "")
	w.Project.Name, w.Project.Spec.SourceRepos = "shop", patterns
	return w
}

// include commits a submodule.
func (r *remote) include(t *testing.T, at, url, commit string) string {
	t.Helper()
	text := fmt.Sprintf("[submodule \"x\"]\n\tpath = %s\n\turl = %s\n[include]\n\tpath = /etc/passwd\n", at, url)
	if err := os.WriteFile(filepath.Join(r.dir, ".gitmodules"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.git(t, "add", ".gitmodules")
	r.git(t, "update-index", "--add", "--cacheinfo", "160000,"+commit+","+at)
	r.git(t, "commit", "-q", "-m", "include")
	return r.git(t, "rev-parse", "HEAD")
}

func TestSubmodulesAreFilledInWhereTheSecretAsksForThem(t *testing.T) {
	library, middle, shop := serve(t), serve(t), serve(t)
	if err := os.Symlink("cm.yaml", filepath.Join(library.dir, "link")); err != nil {
		t.Fatal(err)
	}
	inner := library.commit(t, "the library")
	middle.commit(t, "the middle")
	outer := middle.include(t, "deep/library", library.url, inner)
	shop.commit(t, "the shop")
	commit := shop.include(t, "vendor/middle", middle.url, outer)

	all := asking(t, keySubmodules, shop.url, middle.url, library.url)
	for range 2 { // the second time from the shelf
		got, err := all.Fetch(t.Context(), permitting(shop.url, "*"), commit)
		if err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"cm.yaml": "the shop", "vendor/middle/cm.yaml": "the middle", "vendor/middle/deep/library/cm.yaml": "the library"} {
			if is, err := os.ReadFile(filepath.Join(got.Dir, file)); err != nil || string(is) != text {
				t.Errorf("%s says %q, %v", file, is, err)
			}
		}
		if to, err := os.Readlink(filepath.Join(got.Dir, "vendor/middle/deep/library/link")); err != nil || to != "cm.yaml" {
			t.Errorf("the link leads to %q, %v", to, err)
		}
		for path, kind := range map[string]string{"vendor/middle": "tree ", "vendor/middle/deep/library": "tree ", "vendor/middle/deep/library/cm.yaml": "blob ", "vendor/none": ""} {
			if id, err := got.Tree(t.Context(), path); err != nil || !strings.HasPrefix(id, kind) || kind == "" && id != "" {
				t.Errorf("%s is %q, %v", path, id, err)
			}
		}
		got.Release()
	}
	plain, err := asking(t, "ignored", shop.url).Fetch(t.Context(), permitting(shop.url, "*"), commit)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Release()
	if entries, err := os.ReadDir(filepath.Join(plain.Dir, "vendor", "middle")); len(entries) != 0 {
		t.Errorf("the submodule is filled in though nobody asks: %v, %v", entries, err)
	}
}

func TestSubmodulesThatMayNotBeReachedAreRefusedByName(t *testing.T) {
	reached := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("what is not permitted was reached") }))
	defer reached.Close()
	library := serve(t)
	good := library.commit(t, "x")
	for name, c := range map[string]struct {
		url, reason string
	}{
		"a file":                        {"file:///etc", `the scheme "file"`},
		"a folder":                      {"/etc", "the scheme"},
		"a command":                     {"ext::sh -c id", "repoURL holds a character"},
		"a command beside the URL":      {"https://host/x\n\tupdate = !id", "disallowed submodule update setting"},
		"an option":                     {"--upload-pack=id", "disallowed submodule url"},
		"an option as a host":           {"ssh://-oProxyCommand=id/x", "no usable host"},
		"a repository of somebody else": {reached.URL + "/secret.git", "is not permitted in project 'shop'"},
		"a path out of the server":      {"../../../../../x", "the submodule vendor/x cannot be used: it leads out of the server's folders"},
		"a password":                    {"https://a:b@host/x", "holds a password"},
		"nothing":                       {"", "no URL for the submodule"},
	} {
		t.Run(name, func(t *testing.T) {
			shop := serve(t)
			shop.commit(t, "x")
			commit := shop.include(t, "vendor/x", c.url, good)
			_, err := asking(t, keySubmodules, shop.url).Fetch(t.Context(), permitting(shop.url, shop.url), commit)
			if err == nil || !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), canary) {
				t.Errorf("error %v, want %q", err, c.reason)
			}
		})
	}
}

func TestSubmodulesAreFewAndNotDeep(t *testing.T) {
	chain := serve(t)
	commit := chain.commit(t, "x")
	for range maxDepth + 1 {
		commit = chain.include(t, "again", chain.url, commit)
	}
	_, err := asking(t, keySubmodules, chain.url).Fetch(t.Context(), permitting(chain.url, "*"), commit)
	if err == nil || !strings.Contains(err.Error(), "one too many") {
		t.Errorf("error %v", err)
	}
	wide := serve(t)
	inner := wide.commit(t, "x")
	var text strings.Builder
	for i := range maxSubmodules + 1 {
		fmt.Fprintf(&text, "[submodule \"%d\"]\n\tpath = m/%d\n\turl = %s\n", i, i, wide.url)
		wide.git(t, "update-index", "--add", "--cacheinfo", fmt.Sprintf("160000,%s,m/%d", inner, i))
	}
	if err := os.WriteFile(filepath.Join(wide.dir, ".gitmodules"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	wide.git(t, "add", ".gitmodules")
	wide.git(t, "commit", "-q", "-m", "x")
	_, err = asking(t, keySubmodules, wide.url).Fetch(t.Context(), permitting(wide.url, "*"), wide.git(t, "rev-parse", "HEAD"))
	if err == nil || !strings.Contains(err.Error(), "one too many") {
		t.Errorf("error %v", err)
	}
}

// warehouse answers for objects of LFS beside a repository, to whoever knows the password.
type warehouse struct {
	objects  map[string]string // what is given for a name
	location string
}

func (w *warehouse) ServeHTTP(rw http.ResponseWriter, q *http.Request) {
	if _, password, _ := q.BasicAuth(); password != canary {
		http.Error(rw, "who are you", http.StatusUnauthorized)
		return
	}
	var question, answer struct {
		Objects []map[string]any `json:"objects"`
	}
	if err := json.NewDecoder(q.Body).Decode(&question); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	for _, o := range question.Objects {
		oid := fmt.Sprint(o["oid"])
		if _, has := w.objects[oid]; !has {
			o["error"] = map[string]any{"code": 404, "message": "no such object, says " + canary}
		} else {
			o["actions"] = map[string]any{"download": map[string]any{"href": w.location + "/" + oid, "header": map[string]string{"Authorization": "RemoteAuth one-time"}}}
		}
		answer.Objects = append(answer.Objects, o)
	}
	_ = json.NewEncoder(rw).Encode(answer)
}

func pointerTo(text string, size int) string {
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", hex.EncodeToString(sum[:]), size)
}

// stocked serves a repository with pointers, and what stands for them, which may be said to lie elsewhere.
func stocked(t *testing.T, files, stock map[string]string, elsewhere ...string) (at, commit string) {
	t.Helper()
	r := serve(t)
	commit = r.write(t, files)
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") != "RemoteAuth one-time" {
			t.Errorf("the store is told %q", q.Header.Get("Authorization"))
		}
		_, _ = bytes.NewBufferString(stock[strings.TrimPrefix(q.URL.Path, "/")]).WriteTo(w)
	}))
	t.Cleanup(store.Close)
	behind, err := url.Parse(strings.TrimSuffix(r.url, "/repo/.git"))
	if err != nil {
		t.Fatal(err)
	}
	front := http.NewServeMux()
	front.Handle("/", httputil.NewSingleHostReverseProxy(behind))
	front.Handle("POST /repo/.git/info/lfs/objects/batch", &warehouse{objects: stock, location: append(elsewhere, store.URL)[0]})
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	return server.URL + "/repo/.git", commit
}

func oidOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestObjectsOfLFSStandInForTheirPointersWhereTheSecretAsks(t *testing.T) {
	const manifest, other = "kind: ConfigMap\n", "kind: Secret\n"
	almost := pointerTo("x", 1) + "more\n"
	url, commit := stocked(t, map[string]string{"a.yaml": pointerTo(manifest, len(manifest)), "deep/a.yaml": pointerTo(manifest, len(manifest)), "b.yaml": pointerTo(other, len(other)), "c.yaml": almost},
		map[string]string{oidOf(manifest): manifest, oidOf(other): other})
	got, err := asking(t, "enableLfs", url).Fetch(t.Context(), want(url, ""), commit)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	for file, text := range map[string]string{"a.yaml": manifest, "deep/a.yaml": manifest, "b.yaml": other, "c.yaml": almost} {
		if is, err := os.ReadFile(filepath.Join(got.Dir, file)); err != nil || string(is) != text {
			t.Errorf("%s says %q, %v", file, is, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(got.Dir), "object-*")); err != nil || len(left) != 0 {
		t.Errorf("there is left %v, %v", left, err)
	}
}

func TestObjectsOfLFSThatAreNotWhatTheirPointersSayAreRefused(t *testing.T) {
	const manifest = "kind: ConfigMap\n"
	for name, c := range map[string]struct {
		pointer, given string
		reason         string
	}{
		"something else of the same size": {pointerTo(manifest, len(manifest)), "kind: ConfigMxp\n", "something else"},
		"more than it says":               {pointerTo(manifest, 4), manifest, "larger than 4 bytes"},
		"less than it says":               {pointerTo(manifest, 100), manifest, "something else"},
		"more than may be":                {pointerTo(manifest, 5<<30), manifest, "1024 MiB"},
		"an object that is missing":       {pointerTo("none", 4), manifest, "no such object, says ******"},
	} {
		t.Run(name, func(t *testing.T) {
			url, commit := stocked(t, map[string]string{"a.yaml": c.pointer}, map[string]string{oidOf(manifest): c.given})
			_, err := asking(t, "enableLfs", url).Fetch(t.Context(), want(url, ""), commit)
			if err == nil || !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), canary) {
				t.Errorf("error %v, want %q", err, c.reason)
			}
		})
	}
}

func TestNobodyWaitsForLongWhileAnotherFetchesObjects(t *testing.T) {
	const manifest = "kind: ConfigMap\n"
	asked, hung := make(chan struct{}), make(chan struct{})
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-hung
		_, _ = io.WriteString(w, manifest)
	}))
	defer store.Close()
	url, commit := stocked(t, map[string]string{"a.yaml": pointerTo(manifest, len(manifest))}, map[string]string{oidOf(manifest): manifest}, store.URL)
	all := asking(t, "enableLfs", url)
	all.patience = 50 * time.Millisecond
	first := make(chan error, 1)
	go func() {
		files, err := all.Fetch(context.Background(), want(url, ""), commit)
		if err == nil {
			files.Release()
		}
		first <- err
	}()
	<-asked
	var gone *gitsync.UnreachableError
	if _, err := all.Fetch(t.Context(), want(url, ""), commit); !errors.As(err, &gone) || gone.Again <= 0 || !errors.Is(err, errHeldUp) {
		t.Errorf("while another fetches them: %v", err)
	}
	close(hung)
	if err := <-first; err != nil {
		t.Errorf("who fetched them: %v", err)
	}
	files, err := all.Fetch(t.Context(), want(url, ""), commit)
	if err != nil {
		t.Fatal(err)
	}
	files.Release()
}
