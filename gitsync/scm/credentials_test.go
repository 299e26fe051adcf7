package scm

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

func TestATokenGoesOnlyWhereItMay(t *testing.T) {
	const control, team = "argocd", "team-a"
	labelled := func(kind string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Labels = map[string]string{gitopsv1.LabelSecretType: kind} }
	}
	of := func(kind, url string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { labelled(kind)(s); s.Data["url"] = []byte(url) }
	}
	for _, c := range []struct {
		name, namespace string
		change          func(*corev1.Secret)
		why             string
	}{
		{"a Secret without a label in the control namespace", control, func(*corev1.Secret) {}, ""},
		{"a Secret for providers", control, labelled("scm-creds"), ""},
		{"a Secret for providers in another namespace", team, labelled("scm-creds"), ""},
		{"a Secret of another namespace that nobody has released", team, func(*corev1.Secret) {}, "it needs the label argocd.argoproj.io/secret-type: scm-creds"},
		{"a cluster", control, labelled("cluster"), "it is of the type cluster"},
		{"credentials for writing", control, of("repository-write", "http://127.0.0.1/"), "it is of the type repository-write"},
		{"credentials of repositories on that server", control, of("repo-creds", "http://127.0.0.1:1/org"), ""},
		{"a repository on that server", control, of("repository", "http://127.0.0.1/org/repo.git"), ""},
		{"credentials of repositories on another server", control, of("repo-creds", "https://git.example.com/org"), "repositories of another server"},
		{"a repository without an address", control, of("repository", ""), "repositories of another server"},
		{"the Secret of webhooks", control, func(s *corev1.Secret) { s.Name = "argocd-secret" }, "only its keys that begin with plugin."},
		{"the token of a service account", control, func(s *corev1.Secret) { s.Type = corev1.SecretTypeServiceAccountToken }, "service account"},
		{"a Secret without the key", control, func(s *corev1.Secret) { s.Data = nil }, "is empty or missing"},
		{"a token with a line break in it", control, func(s *corev1.Secret) { s.Data["token"] = []byte(canary + "\r\nX-Other: " + canary) }, "holds a line break"},
		{"a Secret of another name", control, func(s *corev1.Secret) { s.Namespace = "elsewhere" }, "does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			there := newStandIn(t, map[string]reply{"GET /api/v1/orgs/shop/repos?limit=50&page=1": {body: `[]`}})
			secret := tokenIn(c.namespace, "token")
			c.change(secret)
			a := newAsker(secret)
			here, err := url.Parse(there.URL)
			if err != nil {
				t.Fatal(err)
			}
			a.Allowed = []*url.URL{here}
			q := question(t, generate.Question{About: generate.AboutRepositories}, strings.Replace(teaOwner, "secretName: token", "secretName: "+secret.Name, 1), there.URL)
			_, err = answerTo(t, a, setIn(c.namespace), q)
			if c.why == "" {
				if err != nil || there.last.Header.Get("Authorization") != "token "+canary {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.why) || len(there.asked()) > 0 {
				t.Errorf("error %v, want one about %q; asked %q", err, c.why, there.asked())
			}
		})
	}
}

func TestServersThatAreNotAllowedAreNotAsked(t *testing.T) {
	parsed := func(text string) *url.URL {
		u, err := Address(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	tea := parsed("https://tea.example.com")
	for _, c := range []struct {
		name, namespace, api string
		allowed              []*url.URL
		fine                 bool
	}{
		{"any for the control namespace", "argocd", "https://git.example.com", nil, true},
		{"none for another namespace", "team-a", "https://git.example.com", nil, false},
		{"a public one for another namespace", "team-a", "https://api.github.com", nil, true},
		{"a public one without encryption", "team-a", "http://api.github.com", nil, false},
		{"one of the list for another namespace", "team-a", "https://TEA.example.com/below", []*url.URL{tea}, true},
		{"another port than that of the list", "team-a", "https://tea.example.com:8443", []*url.URL{tea}, false},
		{"one that begins like one of the list", "team-a", "https://tea.example.com.evil.example", []*url.URL{tea}, false},
		{"one that the list does not have for the control namespace", "argocd", "https://git.example.com", []*url.URL{tea}, false},
		{"a public one beside the list", "argocd", "https://gitlab.com/api/v4", []*url.URL{tea}, true},
	} {
		a := newAsker()
		a.Allowed = c.allowed
		err := a.permits(setIn(c.namespace), parsed(c.api))
		if (err == nil) != c.fine || err != nil && !strings.Contains(err.Error(), "--allowed-scm-providers=") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestACertificateIsBelievedFromWhereItIsGiven(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `[]`) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	own := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	settings := func(name, key, text string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: name}, Data: map[string]string{key: text}}
	}
	for _, c := range []struct {
		name, options string
		have          *corev1.ConfigMap
		want          string
	}{
		{"of an authority that nobody knows", "", nil, "certificate"},
		{"of an authority that the set names", "caRef: {configMapName: ca, key: pem}", settings("ca", "pem", own), ""},
		{"of an authority that Git uses for the host", "", settings("argocd-tls-certs-cm", "127.0.0.1", own), ""},
		{"of an authority that Git uses for another host", "", settings("argocd-tls-certs-cm", "git.example.com", own), "certificate"},
		{"whatever it is", "insecure: true", nil, ""},
		{"from a key that is not there", "caRef: {configMapName: ca, key: other}", settings("ca", "pem", own), "the key other of ConfigMap argocd/ca"},
		{"from a ConfigMap that is not there", "caRef: {configMapName: ca, key: pem}", nil, "ConfigMap argocd/ca"},
		{"from a text that is none", "caRef: {configMapName: ca, key: pem}", settings("ca", "pem", "none"), "no certificate in the form PEM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAsker()
			if c.have != nil {
				a = newAsker(c.have)
			}
			for range 2 { // the second time with a client that is known
				q := question(t, generate.Question{About: generate.AboutPullRequests}, `{pullRequest: {gitlab: {project: p, api: API, `+c.options+`}}}`, server.URL)
				_, err := answerTo(t, a, setIn("argocd"), q)
				if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want one about %q", err, c.want)
				}
			}
		})
	}
}

func TestClientsAreNotKeptWithoutEnd(t *testing.T) {
	a := newAsker()
	own := httptest.NewTLSServer(nil)
	t.Cleanup(own.Close)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate().Raw}))
	for i := range 3 * maxDoors {
		if _, err := a.door(trust{pem: strings.Repeat("\n", i) + text}); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.doors) > maxDoors {
		t.Errorf("%d clients", len(a.doors))
	}
}
