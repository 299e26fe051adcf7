package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Options of a client.
type Options struct {
	// Timeout ends a request, its body included.
	Timeout time.Duration
	// MaxBody is the number of bytes of an answer beyond which it is an error.
	MaxBody int64
	// Insecure accepts any server certificate.
	Insecure bool
	Headers  []v1alpha1.WebMetricHeader
	Auth     v1alpha1.Authentication
	// Sign, if there, is the last to change each request.
	Sign func(*http.Request) error
}

// maxRedirects is how many redirects are followed; none of them may lead to another host.
const maxRedirects = 5

// ErrTooLarge says that an answer was larger than Options.MaxBody.
var ErrTooLarge = errors.New("the answer is too large")

// Client makes a client that sends the headers and credentials of its options.
func Client(ctx context.Context, o Options) *http.Client {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.DisableKeepAlives = true                                      // one measurement is one request; nothing is left open between two
	base.TLSClientConfig = &tls.Config{InsecureSkipVerify: o.Insecure} //nolint:gosec // the user asks for it in the metric
	var transport http.RoundTripper = bounded{base, o.MaxBody}
	if auth := o.Auth.OAuth2; auth != nil {
		tokens := clientcredentials.Config{ClientID: auth.ClientID, ClientSecret: auth.ClientSecret, TokenURL: auth.TokenURL, Scopes: auth.Scopes}
		ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: transport, Timeout: o.Timeout, CheckRedirect: sameHost})
		transport = &oauth2.Transport{Source: tokens.TokenSource(ctx), Base: transport}
	}
	return &http.Client{Transport: dressed{transport, o}, Timeout: o.Timeout, CheckRedirect: sameHost}
}

func sameHost(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	if next.URL.Host != first.Host || next.URL.Scheme != first.Scheme && next.URL.Scheme != "https" {
		return fmt.Errorf("refusing the redirect from %s to %s: write the address that answers into the metric", first.Host, next.URL.Host)
	}
	if len(via) > maxRedirects {
		return fmt.Errorf("refusing more than %d redirects", maxRedirects)
	}
	return nil
}

// dressed adds the headers and credentials of a metric to each request.
type dressed struct {
	next http.RoundTripper
	o    Options
}

func (d dressed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for _, h := range d.o.Headers {
		r.Header.Set(h.Key, h.Value)
	}
	if b := d.o.Auth.Basic; b != nil {
		r.SetBasicAuth(b.Username, b.Password)
	}
	if d.o.Sign != nil {
		if err := d.o.Sign(r); err != nil {
			return nil, fmt.Errorf("signing the request: %w", err)
		}
	}
	return d.next.RoundTrip(r)
}

// bounded ends a body that is too large with an error.
type bounded struct {
	next http.RoundTripper
	max  int64
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err == nil {
		answer.Body = &body{ReadCloser: answer.Body, left: b.max}
	}
	return answer, err
}

type body struct {
	io.ReadCloser
	left int64
}

func (b *body) Read(into []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	// One byte more than is allowed tells a body of just that size from a larger one.
	if int64(len(into)) > b.left+1 {
		into = into[:b.left+1]
	}
	n, err := b.ReadCloser.Read(into)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}
