package outbound

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/dial"
)

// MaxAnswer is how many bytes an answer may have once it is unpacked. A question for a verdict is answered in a handful of numbers.
const MaxAnswer = 4 << 20

const (
	// maxRedirects is how many redirects are followed; none of them may lead to another host.
	maxRedirects = 5
	// maxTimeout is the longest time that a metric may give a server.
	maxTimeout = time.Hour
)

// ErrTooLarge says that an answer has more than MaxAnswer bytes.
var ErrTooLarge = fmt.Errorf("the answer is too large: it has more than %d MiB", MaxAnswer>>20)

// Options of a client.
type Options struct {
	// Insecure accepts any server certificate.
	Insecure bool
	// OwnCloud lets the metadata service of a cloud be asked.
	OwnCloud bool
	// Header is set on each request. Blanks around a value are left out: a Secret made of a file ends in a line break.
	Header map[string]string
	// Authentication adds a header of its own if it is basic or oauth2.
	Authentication v1alpha1.Authentication
	// Sign, if there, is the last to change each request.
	Sign func(*http.Request) error
}

// Client makes a client for one measurement, and lists what it will send that nobody else may see. How long it may take is for the
// contexts of its requests to say.
func Client(ctx context.Context, o Options) (client *http.Client, secrets []string, err error) {
	authorization, secrets, err := authorize(ctx, o.Authentication, o.Insecure)
	if err != nil {
		return nil, nil, err
	}
	return &http.Client{Transport: dressed{bounded{transport(o.Insecure, o.OwnCloud)}, o, authorization}, CheckRedirect: redirect}, secrets, nil
}

// connectTimeout is how long a connection may take to come about.
const connectTimeout = 30 * time.Second

// transport asks no metadata service of a cloud for a user, who may name any address or be sent to one by a server.
func transport(insecure, ownCloud bool) http.RoundTripper {
	dialer := &net.Dialer{Timeout: connectTimeout, Control: dial.Elsewhere}
	if ownCloud {
		dialer.Control = nil
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = dialer.DialContext
	t.DisableKeepAlives = true                                    // one measurement is one request; nothing is left open between two
	t.TLSClientConfig = &tls.Config{InsecureSkipVerify: insecure} //nolint:gosec // the user asks for it in the metric
	return t
}

// Timeout reads the seconds that a metric gives a server; those that make no sense are the fallback, or an hour.
func Timeout(seconds int64, fallback time.Duration) time.Duration {
	if seconds <= 0 {
		return fallback
	}
	return time.Duration(min(seconds, int64(maxTimeout/time.Second))) * time.Second
}

// redirect says whether a redirect may be followed. The credentials are in headers of many names, and all go along.
func redirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case next.URL.Host != first.URL.Host || next.URL.Scheme != first.URL.Scheme && next.URL.Scheme != "https":
		return fmt.Errorf("refusing the redirect from %s to %s: write the address that answers into the metric", first.URL.Host, next.URL.Host)
	case next.Method != first.Method:
		return fmt.Errorf("refusing the redirect of a %s to a %s: write the address that answers into the metric", first.Method, next.Method)
	case len(via) > maxRedirects:
		return fmt.Errorf("refusing more than %d redirects", maxRedirects)
	}
	return nil
}

// dressed adds the headers and the signature to each request.
type dressed struct {
	next          http.RoundTripper
	o             Options
	authorization string
}

func (d dressed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for key, value := range d.o.Header {
		r.Header.Set(key, strings.TrimSpace(value))
	}
	if d.authorization != "" {
		r.Header.Set("Authorization", d.authorization)
	}
	if d.o.Sign != nil {
		if err := d.o.Sign(r); err != nil {
			return nil, fmt.Errorf("signing the request: %w", err)
		}
	}
	return d.next.RoundTrip(r)
}

// bounded ends a body that is too large with an error.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err == nil {
		answer.Body = &body{ReadCloser: answer.Body, left: MaxAnswer}
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
