package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/dial"
)

const maxRedirects = 5

// browser asks the web servers of Helm repositories and registries.
type browser struct {
	credentials credentials
	// home is the only place that credentials are sent to, unless everywhere is set.
	home       *url.URL
	everywhere bool
	// plain allows http.
	plain bool
	inner http.RoundTripper
}

// browse makes a client for what lies at a place. Credentials of a registry are the business of its own client, so they are left out if bare.
func browse(keys Keys, c credentials, home *url.URL, everywhere, bare bool) (*http.Client, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.data["insecure"] == "true"} //nolint:gosec // the Secret asks for it
	if bundle := keys.Authorities[home.Hostname()]; bundle != "" {
		if settings.RootCAs = x509.NewCertPool(); !settings.RootCAs.AppendCertsFromPEM([]byte(bundle)) {
			return nil, fmt.Errorf("the bundle for %s holds no certificate", home.Hostname())
		}
	}
	if c.data["tlsClientCertData"] != "" {
		pair, err := tls.X509KeyPair([]byte(c.data["tlsClientCertData"]), []byte(c.data["tlsClientCertKey"]))
		if err != nil {
			return nil, fmt.Errorf("secret %s: tlsClientCertData and tlsClientCertKey are no pair", c.name)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	dialer := &net.Dialer{Timeout: 15 * time.Second, Control: dial.Elsewhere}
	b := &browser{credentials: c, home: home, everywhere: everywhere, plain: home.Scheme == "http", inner: &http.Transport{
		TLSClientConfig: settings, DialContext: dialer.DialContext, ForceAttemptHTTP2: true, IdleConnTimeout: 30 * time.Second, ResponseHeaderTimeout: 30 * time.Second,
		Proxy: func(r *http.Request) (*url.URL, error) { return c.proxy(r.URL) },
	}}
	if bare {
		b.credentials = credentials{name: c.name}
	}
	return &http.Client{Transport: b, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errors.New("it redirects more than five times")
		}
		// What one place may know, another port of it may not.
		if first := via[0].URL; next.URL.Scheme != first.Scheme || !strings.EqualFold(next.URL.Host, first.Host) {
			next.Header.Del("Authorization")
		}
		return nil
	}}, nil
}

// RoundTrip adds the credentials here, so that they never follow a redirect to another place.
func (b *browser) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme != "https" && (!b.plain || request.URL.Scheme != "http") {
		return nil, fmt.Errorf("it leads to %s://, which is not allowed", request.URL.Scheme)
	}
	// A proxy would go wherever a redirect leads.
	if _, err := dial.Host(request.URL.Hostname()); err != nil {
		return nil, fmt.Errorf("it leads to where nobody is asked: %w", err)
	}
	atHome := request.URL.Scheme == b.home.Scheme && strings.EqualFold(request.URL.Host, b.home.Host)
	if header := b.credentials.header(); header != "" && request.Header.Get("Authorization") == "" && (atHome || b.everywhere && request.URL.Scheme == "https") {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", strings.TrimPrefix(header, "Authorization: "))
	}
	return b.inner.RoundTrip(request)
}

// get writes what lies at a URL, at most limit bytes.
func (b bounds) get(ctx context.Context, client *http.Client, at string, to io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, b.time)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return errors.New("it is no URL")
	}
	return b.ask(client, request, to)
}

// ask writes the answer to a request, at most limit bytes.
func (b bounds) ask(client *http.Client, request *http.Request, to io.Writer) error {
	response, err := client.Do(request)
	if err != nil {
		return &gitsync.UnreachableError{Cause: withoutURL(err)}
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated {
		err := fmt.Errorf("the server says %s", http.StatusText(response.StatusCode))
		if slices.Contains([]int{http.StatusNotFound, http.StatusGone}, response.StatusCode) {
			return err
		}
		return &gitsync.UnreachableError{Cause: err}
	}
	n, err := io.Copy(to, io.LimitReader(response.Body, b.size+1))
	if n > b.size {
		return fmt.Errorf("it is larger than %d bytes", b.size)
	}
	if err != nil {
		return fmt.Errorf("reading the answer: %w", brokenOff(err))
	}
	return nil
}

// request asks a web server for what goes with a repository, in the line of those who ask the same server.
func (r *runner) request(ctx context.Context, client *http.Client, b bounds, request *http.Request, to io.Writer) error {
	host := r.hosts(request.URL.Hostname())
	if err := host.enter(ctx); err != nil {
		return err
	}
	defer host.leave()
	ctx, cancel := context.WithTimeout(ctx, b.time)
	defer cancel()
	return b.ask(client, request.WithContext(ctx), to)
}

// bounds of one answer.
type bounds struct {
	time time.Duration
	size int64
}

// withoutURL takes the URL, which may hold a token after redirects, out of an error.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
