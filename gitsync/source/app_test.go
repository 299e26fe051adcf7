package source

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// hub is a server with a repository and an API of apps, which takes nothing but its own tokens.
type hub struct {
	url   string
	key   *rsa.PrivateKey
	lasts time.Duration
	// tokens were given, and refused was who wanted one in vain.
	tokens, refused atomic.Int32
}

// proves reports whether a header holds a JWT of the app.
func (h *hub) proves(header string) bool {
	parts := strings.Split(strings.TrimPrefix(header, "Bearer "), ".")
	if len(parts) != 3 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	hash := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return err == nil && rsa.VerifyPKCS1v15(&h.key.PublicKey, crypto.SHA256, hash[:], signature) == nil
}

func newHub(t *testing.T, r *remote) *hub {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	behind, err := url.Parse(strings.TrimSuffix(r.url, "/repo/.git"))
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{key: key, lasts: time.Hour}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v3/app/installations/34/access_tokens", func(w http.ResponseWriter, q *http.Request) {
		if !h.proves(q.Header.Get("Authorization")) {
			h.refused.Add(1)
			http.Error(w, "who are you, "+q.Header.Get("Authorization"), http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"token": "%s-%d", "expires_at": %q}`, canary, h.tokens.Add(1), time.Now().Add(h.lasts).UTC().Format(time.RFC3339))
	})
	proxy := httputil.NewSingleHostReverseProxy(behind)
	mux.HandleFunc("/", func(w http.ResponseWriter, q *http.Request) {
		user, password, _ := q.BasicAuth()
		if user != "x-access-token" || password != fmt.Sprintf("%s-%d", canary, h.tokens.Load()) {
			http.Error(w, "not "+password, http.StatusUnauthorized)
			return
		}
		q.SetBasicAuth("git", canary)
		proxy.ServeHTTP(w, q)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// as gives what reaches the repository as an app.
func (h *hub) as(t *testing.T, change map[string]string) *Repositories {
	t.Helper()
	data := map[string][]byte{
		"url": []byte(h.url + "/repo/.git"), "githubAppID": []byte("12"), "githubAppInstallationID": []byte("34"), "githubAppEnterpriseBaseUrl": []byte(h.url + "/api/v3"),
		"githubAppPrivateKey": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(h.key)}),
	}
	for key, value := range change {
		data[key] = []byte(value)
	}
	keys := Keys{Secrets: []corev1.Secret{{ObjectMeta: metav1.ObjectMeta{Name: "app", Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepository}}, Data: data}}}
	return &Repositories{Dir: t.TempDir(), Keys: func(context.Context) (Keys, error) { return keys, nil }, Timeout: 30 * time.Second, Schemes: []string{"http"}}
}

func TestAGitHubAppReadsARepositoryWithOneTokenUntilShortlyBeforeItsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		lasts  time.Duration
		tokens int32
	}{
		"a token of an hour":         {time.Hour, 1},
		"a token of too few minutes": {4 * time.Minute, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t)
			commit := r.commit(t, "one")
			h := newHub(t, r)
			h.lasts = c.lasts
			all := h.as(t, nil)
			w := want(h.url+"/repo/.git", "main")
			w.Fresh = true
			for range 2 {
				if got, err := all.Resolve(t.Context(), w); err != nil || got != commit {
					t.Fatalf("%s, %v", got, err)
				}
			}
			files, err := all.Fetch(t.Context(), w, commit)
			if err != nil {
				t.Fatal(err)
			}
			files.Release()
			if n := h.tokens.Load(); n != c.tokens {
				t.Errorf("%d tokens were asked for, not %d", n, c.tokens)
			}
			if len(all.clones) != 1 {
				t.Errorf("there are %d clones", len(all.clones))
			}
		})
	}
}

func TestWhatIsWrongWithAGitHubAppIsToldWithoutItsKey(t *testing.T) {
	h := newHub(t, serve(t))
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change map[string]string
		reason string
		// unreachable is whether it may pass by itself.
		unreachable bool
	}{
		"an ID with a path in it":  {map[string]string{"githubAppInstallationID": "34/../35"}, "githubAppInstallationID is no number", false},
		"no ID":                    {map[string]string{"githubAppID": ""}, "githubAppID is no number", false},
		"no key":                   {map[string]string{"githubAppPrivateKey": canary}, "no key in the form PEM", false},
		"a server of another kind": {map[string]string{"githubAppEnterpriseBaseUrl": "ftp://host"}, "githubAppEnterpriseBaseUrl: it has the scheme", false},
		"another key": {map[string]string{
			"githubAppPrivateKey": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(other)})),
		}, "the server says Unauthorized", true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.as(t, c.change).Resolve(t.Context(), want(h.url+"/repo/.git", "main"))
			if err == nil || !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), canary) {
				t.Errorf("error %v, want %q", err, c.reason)
			}
			var unreachable *gitsync.UnreachableError
			if errors.As(err, &unreachable) != c.unreachable {
				t.Errorf("error %v, unreachable should be %t", err, c.unreachable)
			}
		})
	}
}

func TestATokenThatIsRefusedIsNotAskedForAgainByEverybody(t *testing.T) {
	h := newHub(t, serve(t))
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	own := h.key
	h.key = other
	all := h.as(t, nil)
	h.key = own
	for i := range 10 {
		var gone *gitsync.UnreachableError
		if _, err := all.Resolve(t.Context(), fresh(h.url+"/repo/.git")); !errors.As(err, &gone) {
			t.Fatalf("Application %d: error %v", i, err)
		}
	}
	if n := h.refused.Load(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestTheProofOfAGitHubAppStaysAtHome(t *testing.T) {
	h := newHub(t, serve(t))
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") != "" {
			t.Error("the proof followed the redirect")
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer other.Close()
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, other.URL+q.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer away.Close()
	_, err := h.as(t, map[string]string{"githubAppEnterpriseBaseUrl": away.URL}).Resolve(t.Context(), want(h.url+"/repo/.git", "main"))
	if err == nil || !strings.Contains(err.Error(), "the server says Unauthorized") {
		t.Errorf("error %v", err)
	}
}
