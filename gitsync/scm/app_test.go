package scm

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-delivery/sluice/gitsync/generate"
)

const hubApp = `{pullRequest: {github: {owner: shop, repo: web, api: API, appSecretName: app}}}`

// proven checks the signature of a JWT, and gives what it says.
func proven(t *testing.T, header string, key *rsa.PublicKey) map[string]any {
	t.Helper()
	token := strings.TrimPrefix(header, "Bearer ")
	at := strings.LastIndex(token, ".")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q has %d parts", header, len(parts))
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(token[:at]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, hash[:], signature); err != nil {
		t.Error(err)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestAGitHubAppProvesItselfAndUsesTheTokenThatItGets(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for form, block := range map[string]*pem.Block{
		"PKCS #1, as GitHub gives it": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}, "PKCS #8": {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		t.Run(form, func(t *testing.T) {
			var claims map[string]any
			api := serve(t, func(w http.ResponseWriter, r *http.Request) {
				switch header := r.Header.Get("Authorization"); r.Method + " " + r.URL.Path {
				case "POST /api/v3/app/installations/34/access_tokens":
					claims = proven(t, header, &key.PublicKey)
					w.WriteHeader(http.StatusCreated)
					fmt.Fprint(w, `{"token": "`+canary+`", "expires_at": "2026-03-02T13:00:00Z"}`)
				case "GET /api/v3/repos/shop/web/pulls":
					w.WriteHeader(http.StatusConflict)
					fmt.Fprint(w, header)
				}
			})
			secret := tokenIn("argocd", "app")
			secret.Data = map[string][]byte{"githubAppID": []byte("12\n"), "githubAppInstallationID": []byte("34"), "githubAppPrivateKey": pem.EncodeToMemory(block)}
			_, err := answerTo(t, newAsker(secret), setIn("argocd"), question(t, generate.Question{About: generate.AboutPullRequests}, hubApp, api))
			if err == nil || !strings.HasSuffix(err.Error(), "/repos/shop/web/pulls with the GitHub App of Secret argocd/app: the server answered 409 Conflict: Bearer ***") {
				t.Error(err)
			}
			if claims["iss"] != "12" || claims["iat"] != float64(noon.Unix()-60) || claims["exp"] != float64(noon.Unix()+480) {
				t.Errorf("it says %v", claims)
			}
		})
	}
}

func TestWhatIsWrongWithAGitHubAppIsTold(t *testing.T) {
	block := func(kind, bytes string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(bytes)}))
	}
	for name, c := range map[string]struct {
		generator, id, key, want string
	}{
		"no ID":                       {hubApp, "", "x", "githubAppID of the GitHub App of Secret argocd/app is empty"},
		"a key that is no PEM":        {hubApp, "12", canary, "no key in the form PEM"},
		"a key that is another thing": {hubApp, "12", block("CERTIFICATE", canary), "no RSA key"},
		"a token as well":             {strings.Replace(hubApp, "appSecretName", "tokenRef: {secretName: a, key: b}, appSecretName", 1), "12", "x", "keep one"},
	} {
		t.Run(name, func(t *testing.T) {
			there := newStandIn(t, nil)
			secret := tokenIn("argocd", "app")
			secret.Data = map[string][]byte{"githubAppID": []byte(c.id), "githubAppInstallationID": []byte("34"), "githubAppPrivateKey": []byte(c.key)}
			_, err := answerTo(t, newAsker(secret), setIn("argocd"), question(t, generate.Question{About: generate.AboutPullRequests}, c.generator, there.URL))
			if err == nil || !strings.Contains(err.Error(), c.want) || len(there.asked()) > 0 {
				t.Errorf("error %v, want one about %q; asked %q", err, c.want, there.asked())
			}
		})
	}
}
