package scm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/githubapp"
)

// Keys of a Secret with a GitHub App.
const (
	appID         = "githubAppID"
	appInstall    = "githubAppInstallationID"
	appPrivateKey = githubapp.KeyPrivate
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
	proof, err := githubapp.Proof(app, data[appPrivateKey], g.asker.now())
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
