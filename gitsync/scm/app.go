package scm

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Keys of a Secret with a GitHub App.
const (
	appID         = "githubAppID"
	appInstall    = "githubAppInstallationID"
	appPrivateKey = "githubAppPrivateKey"
)

// authorizeApp asks for a token of an installation of a GitHub App, which lasts for an hour.
func (g gitHub) authorizeApp(ctx context.Context, set *gitopsv1.ApplicationSet, name string, at *url.URL) error {
	data, err := g.asker.secret(ctx, set, name, appPrivateKey, at)
	if err != nil {
		return err
	}
	source := fmt.Sprintf("the GitHub App of Secret %s/%s", set.Namespace, name)
	app, errID := value(data, appID, appID+" of "+source)
	installation, errInstall := value(data, appInstall, appInstall+" of "+source)
	if err := errors.Join(errID, errInstall); err != nil {
		return err
	}
	proof, err := appProof(app, data[appPrivateKey], g.asker.now())
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	g.header["Authorization"], g.secrets, g.source = "Bearer "+proof, []string{proof}, source
	g.account += " " + app + " " + installation
	var token struct{ Token string }
	err = g.ask(ctx, http.MethodPost, "/app/installations/"+url.PathEscape(installation)+"/access_tokens", nil, nil, func(answer *http.Response) error {
		return json.NewDecoder(answer.Body).Decode(&token)
	})
	if err == nil && token.Token == "" {
		err = fmt.Errorf("%s gets no token", source)
	}
	g.header["Authorization"], g.secrets = "Bearer "+token.Token, append(g.secrets, token.Token)
	return err
}

// appProof is the JWT with which an app proves who it is. It begins a minute ago, for clocks that differ, and ends within the ten minutes that are allowed.
func appProof(app string, key []byte, now time.Time) (string, error) {
	block, _ := pem.Decode(key)
	if block == nil {
		return "", errors.New(appPrivateKey + " is no key in the form PEM")
	}
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		other, _ := x509.ParsePKCS8PrivateKey(block.Bytes) // which is told below
		var isRSA bool
		if private, isRSA = other.(*rsa.PrivateKey); !isRSA {
			return "", errors.New(appPrivateKey + " is no RSA key")
		}
	}
	claims, err := json.Marshal(map[string]any{"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(8 * time.Minute).Unix(), "iss": app})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	hash := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, hash[:])
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", appPrivateKey, err)
	}
	return text + "." + encode(signature), nil
}
