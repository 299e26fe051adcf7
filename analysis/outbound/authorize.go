package outbound

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// authorize gives the value of the header Authorization for basic authentication or OAuth2, and what nobody may see of it; both are empty
// if there is neither. A token is asked for each time.
func authorize(ctx context.Context, a v1alpha1.Authentication, insecure bool) (header string, secrets []string, err error) {
	switch {
	case a.Basic != nil:
		both := base64.StdEncoding.EncodeToString([]byte(a.Basic.Username + ":" + a.Basic.Password))
		return "Basic " + both, []string{a.Basic.Password, both}, nil
	case a.OAuth2 == nil:
		return "", nil, nil
	}
	config := clientcredentials.Config{ClientID: a.OAuth2.ClientID, ClientSecret: a.OAuth2.ClientSecret, TokenURL: a.OAuth2.TokenURL, Scopes: a.OAuth2.Scopes}
	client := &http.Client{Transport: bounded{transport(insecure, false)}, CheckRedirect: redirect}
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	if err != nil {
		return "", nil, fmt.Errorf("asking %s for a token: %w", Place(a.OAuth2.TokenURL), Failure(err, []string{a.OAuth2.ClientSecret}))
	}
	return token.Type() + " " + token.AccessToken, []string{token.AccessToken}, nil
}

// Failure says why there is no answer, without what net/http says about the request: the whole URL is in it.
func Failure(err error, secrets []string) error {
	if about, is := errors.AsType[*url.Error](err); is {
		err = about.Err
	}
	if text := Hide(err.Error(), secrets); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// Hide takes secrets out of a text, in each form in which a server may repeat them.
func Hide(text string, secrets []string) string {
	named := map[string]string{}
	for i, secret := range secrets {
		named[fmt.Sprint(i)] = secret
	}
	return analysis.Redact(text, named)
}
