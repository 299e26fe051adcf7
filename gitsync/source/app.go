package source

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/internal/githubapp"
)

const (
	// tokenMargin is how long before its end a token is not used any more: whatever begins with it must end with it.
	tokenMargin    = 5 * time.Minute
	maxToken       = 64 << 10
	tokenUser      = "x-access-token"
	appAPI         = "https://api.github.com"
	keyAppID       = "githubAppID"
	keyAppInstall  = "githubAppInstallationID"
	keyAppBase     = "githubAppEnterpriseBaseUrl"
	acceptedOfHubs = "application/vnd.github+json"
)

// installation of a GitHub App has a token for about an hour; whoever has entered by turn may touch it.
type installation struct {
	turn    *queue
	schemes []string
	token   string
	expires time.Time
	vain    vain
}

// installation gives the one that credentials name; nil if they name none.
func (r *Repositories) installation(c credentials) *installation {
	if c.data[githubapp.KeyPrivate] == "" {
		return nil
	}
	return one(r, &r.installations, c.fingerprint(), nil, func() *installation {
		return &installation{turn: newQueue(1, r.waits()), schemes: append([]string{"https"}, r.Schemes...)}
	})
}

// logIn puts the token of a GitHub App in the place of a password.
func (r *runner) logIn(ctx context.Context) error {
	if r.installation == nil {
		return nil
	}
	if r.address.scheme == "ssh" {
		return fmt.Errorf("secret %s: a GitHub App works over https; write the repoURL with https://", r.credentials.name)
	}
	if err := r.installation.turn.enter(ctx); err != nil {
		return unreachable(fmt.Errorf("waiting for a token of the GitHub App of secret %s: %w", r.credentials.name, err))
	}
	defer r.installation.turn.leave()
	if time.Until(r.installation.expires) < tokenMargin {
		if err := r.installation.vain.since(time.Time{}); err != nil {
			return err
		}
		asked := time.Now()
		if err := r.installation.renew(ctx, r); err != nil {
			err = r.credentials.fit(fmt.Errorf("asking for a token of the GitHub App of secret %s: %w", r.credentials.name, err))
			r.installation.vain = inVain(ctx, err, asked)
			return err
		}
	}
	c := r.credentials
	c.data = maps.Clone(c.data)
	c.data["username"], c.data["password"], c.data["bearerToken"] = tokenUser, r.installation.token, ""
	r.credentials = c
	return nil
}

var number = regexp.MustCompile(`^[0-9]{1,20}$`)

// renew asks for a token.
func (i *installation) renew(ctx context.Context, r *runner) error {
	data := r.credentials.data
	for _, key := range []string{keyAppID, keyAppInstall} {
		if !number.MatchString(data[key]) {
			return fmt.Errorf("%s is no number", key)
		}
	}
	proof, err := githubapp.Proof(data[keyAppID], []byte(data[githubapp.KeyPrivate]), time.Now())
	if err != nil {
		return err
	}
	base := cmp.Or(data[keyAppBase], appAPI)
	home, err := parseURL(base, i.schemes)
	if err != nil {
		return fmt.Errorf("%s: %s", keyAppBase, strings.ReplaceAll(err.Error(), "repoURL", "it"))
	}
	client, err := browse(r.keys, r.credentials, home, false, true)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	began := time.Now()
	answer, err := r.askForToken(ctx, client, home, data[keyAppInstall], proof)
	if err != nil {
		return err
	}
	i.token, i.expires = answer.Token, answer.Expires
	if i.expires.IsZero() {
		i.expires = began.Add(time.Hour)
	}
	return nil
}

type appToken struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires_at"`
}

func (r *runner) askForToken(ctx context.Context, client *http.Client, home *url.URL, id, proof string) (appToken, error) {
	var token appToken
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, home.JoinPath("app", "installations", id, "access_tokens").String(), http.NoBody)
	if err != nil {
		return token, errors.New("it is no URL")
	}
	request.Header.Set("Accept", acceptedOfHubs)
	request.Header.Set("Authorization", "Bearer "+proof)
	var text bytes.Buffer
	if err := r.request(ctx, client, bounds{r.timeout, maxToken}, request, &text); err != nil {
		return token, err
	}
	if err := json.Unmarshal(text.Bytes(), &token); err != nil || token.Token == "" || slices.ContainsFunc([]byte(token.Token), func(b byte) bool { return b <= ' ' || b == 0x7f }) {
		return token, errors.New("the server gives no token")
	}
	return token, nil
}
