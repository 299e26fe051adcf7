package scm

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/analysis/outbound"
	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/dial"
)

// Bounds of what is read.
const (
	// timeout is for one exchange with a provider, the body included.
	timeout = 30 * time.Second
	// maxAnswer bounds the body of one answer, unpacked, in bytes. It is read item by item, so that only one item at a time is in memory.
	maxAnswer = 32 << 20
	// maxItems and maxPages bound a list.
	maxItems = 20_000
	maxPages = 1_000
	// maxComplaint bounds what is read of an answer that refuses.
	maxComplaint = 64 << 10
	maxRedirects = 5
	// maxDoors is how many kinds of trust are remembered.
	maxDoors = 16
)

// server is one server with what it takes to ask it.
type server struct {
	asker  *Asker
	client *http.Client
	// base is where the API begins, without a slash at its end.
	base   string
	header map[string]string
	// secrets are in none of the errors; source says where they come from, and is empty if there are none.
	secrets []string
	source  string
	// account tells who asks whom, for servers that count questions.
	account string
	timeout time.Duration
}

// trust is what is believed of a server's certificate.
type trust struct {
	insecure bool
	pem      string
}

// serverBelow is the server that has its API below a path, which the address may name already.
func (a *Asker) serverBelow(ctx context.Context, set *gitopsv1.ApplicationSet, at *url.URL, path string, where access) (*server, error) {
	at.Path = strings.TrimSuffix(at.Path, path) + path
	return a.server(ctx, set, at, where.insecure, where.ca)
}

// server prepares questions to a server.
func (a *Asker) server(ctx context.Context, set *gitopsv1.ApplicationSet, at *url.URL, insecure bool, ca *gitopsv1.ConfigMapKeyRef) (*server, error) {
	if err := a.permits(set, at); err != nil {
		return nil, err
	}
	t := trust{insecure: insecure}
	if at.Scheme == "https" && !insecure {
		var err error
		if t.pem, err = a.authority(ctx, set, ca, at); err != nil {
			return nil, err
		}
	}
	door, err := a.door(t)
	if err != nil {
		return nil, fmt.Errorf("the certificates for %s: %w", at.Host, err)
	}
	return &server{asker: a, client: door, base: at.String(), account: at.String(), header: map[string]string{"Accept": "application/json", "User-Agent": "sluice"}, timeout: timeout}, nil
}

// door is the client of all servers that are trusted alike, so that connections are used again.
func (a *Asker) door(t trust) (*http.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.doors[t]; known != nil {
		return known, nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.insecure} //nolint:gosec // the set asks for it
	if t.pem != "" {
		if settings.RootCAs = x509.NewCertPool(); !settings.RootCAs.AppendCertsFromPEM([]byte(t.pem)) {
			return nil, errors.New("the text holds no certificate in the form PEM")
		}
	}
	if len(a.doors) >= maxDoors || a.doors == nil {
		for _, old := range a.doors {
			old.CloseIdleConnections()
		}
		a.doors = map[trust]*http.Client{}
	}
	dialer := &net.Dialer{Timeout: timeout, Control: dial.Elsewhere}
	door := &http.Client{CheckRedirect: redirect, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSClientConfig: settings, ForceAttemptHTTP2: true,
		IdleConnTimeout: timeout, MaxIdleConnsPerHost: atOnce, MaxResponseHeaderBytes: 256 << 10,
	}}
	a.doors[t] = door
	return door, nil
}

// redirect follows a repository that was renamed, and nothing that leads away from the server: the token would go along.
func redirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	if next.URL.Host != first.URL.Host || next.URL.Scheme != first.URL.Scheme || next.Method != first.Method {
		return fmt.Errorf("refusing the redirect to %s://%s: write the address that answers into the generator", next.URL.Scheme, next.URL.Host)
	}
	if len(via) > maxRedirects {
		return fmt.Errorf("refusing more than %d redirects", maxRedirects)
	}
	return nil
}

// ask sends one request and shows a good answer. Errors name the server and the path, and hold an *outbound.StatusError where the server refused.
func (s *server) ask(ctx context.Context, method, path string, query url.Values, body []byte, show func(*http.Response) error) error {
	at := s.base + path
	place := at
	if s.source != "" {
		place += " with " + s.source
	}
	if err := s.asker.left(s); err != nil {
		return fmt.Errorf("asking %s: %w", place, err)
	}
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := s.exchange(within, method, at, body, show)
	if err != nil && ctx.Err() == nil && errors.Is(within.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s: %w", s.timeout, within.Err())
	}
	if err != nil {
		return fmt.Errorf("asking %s: %w", place, err)
	}
	return nil
}

func (s *server) exchange(ctx context.Context, method, at string, body []byte, show func(*http.Response) error) error {
	request, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return errors.New("this is no URL")
	}
	for key, value := range s.header {
		request.Header.Set(key, value)
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return outbound.Failure(err, s.secrets)
	}
	defer answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, maxComplaint)) // what cannot be read is not missed: the status says enough
		if err := s.asker.pause(s, answer); err != nil {
			return err
		}
		return outbound.Refusal(answer, text, s.secrets)
	}
	answer.Body = http.MaxBytesReader(nil, answer.Body, maxAnswer)
	err = show(answer)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20)
	}
	if err != nil {
		return outbound.Failure(err, s.secrets)
	}
	return nil
}

// get reads one object.
func get[T any](ctx context.Context, s *server, path string) (T, error) {
	var object T
	err := s.ask(ctx, http.MethodGet, path, nil, nil, func(answer *http.Response) error {
		if err := json.NewDecoder(answer.Body).Decode(&object); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		return nil
	})
	return object, err
}

// exists asks for something of which only its existence counts.
func (s *server) exists(ctx context.Context, method, path string, query url.Values) (bool, error) {
	err := s.ask(ctx, method, path, query, nil, func(*http.Response) error { return nil })
	if isNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// list reads all pages of a list. There is one more page if the server says so, or if the last one was full: a proxy may take away what the server says.
func list[T any](ctx context.Context, s *server, path string, query url.Values, size int, keep func(T) error) error {
	total := 0
	for page := 1; ; page++ {
		if page > maxPages {
			return fmt.Errorf("asking %s%s: the list has more than %d pages", s.base, path, maxPages)
		}
		query.Set("page", strconv.Itoa(page))
		before, more := total, false
		err := s.ask(ctx, http.MethodGet, path, query, nil, func(answer *http.Response) error {
			err := each(answer.Body, func(item T) error {
				if total++; total > maxItems {
					return fmt.Errorf("the list has more than %d items; choose a smaller part of it", maxItems)
				}
				return keep(item)
			})
			more = total-before >= size || strings.Contains(strings.Join(answer.Header.Values("Link"), ","), `rel="next"`)
			return err
		})
		if err != nil || !more {
			return err
		}
	}
}

// each shows the items of a list one after the other.
func each[T any](body io.Reader, show func(T) error) error {
	d := json.NewDecoder(body)
	if start, err := d.Token(); err != nil || start != json.Delim('[') {
		return errors.Join(errors.New("the answer is no list"), err)
	}
	for d.More() {
		var item T
		if err := d.Decode(&item); err != nil {
			return fmt.Errorf("reading the list: %w", err)
		}
		if err := show(item); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("reading the list: %w", err)
	}
	return nil
}

func isNotFound(err error) bool {
	refusal, is := errors.AsType[*outbound.StatusError](err)
	return is && refusal.Code == http.StatusNotFound
}
