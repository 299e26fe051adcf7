package outbound

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Bounds of a question.
const (
	// defaultTimeout is for the whole exchange, the body of the answer included.
	defaultTimeout = 30 * time.Second

	maxComplaint = 64 << 10
	maxExcerpt   = 300
	maxWait      = 1 << 20 // seconds; a larger number is a moment, not a span
	// shortestKey keeps a stand-in for a key, such as "none", from being cut out of an answer that says none of something.
	shortestKey = 8
)

// Question is what a server is asked, once.
type Question struct {
	// Method is GET if empty.
	Method string
	URL    string
	Header map[string]string
	Body   []byte
	// Timeout is 30 seconds if zero.
	Timeout time.Duration
	// Secrets are kept out of the answer and of errors, even if the server repeats them.
	Secrets []string
	// Authentication adds a header of its own if it is basic or oauth2, and it is secret.
	Authentication v1alpha1.Authentication
	// Insecure accepts any server certificate.
	Insecure bool
	// OwnCloud lets the metadata service of a cloud be asked; it is for addresses that no user names.
	OwnCloud bool
	// Sign, if there, is the last to change the request.
	Sign func(*http.Request) error
}

// StatusError is an answer other than 2xx.
type StatusError struct {
	Code int
	// Wait is how long the server asks to be left alone; zero if it does not say.
	Wait time.Duration
	// Excerpt is the beginning of what it says, on one line.
	Excerpt string
}

// Error implements error.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("the server answered %d %s", e.Code, http.StatusText(e.Code))
	if e.Wait > 0 {
		text += fmt.Sprintf(" and asks to wait %s", e.Wait)
	}
	if e.Excerpt != "" {
		text += ": " + e.Excerpt
	}
	return text
}

// AskJSON decodes the answer to a question into a value.
func AskJSON(ctx context.Context, q Question, into any) error {
	answer, err := Ask(ctx, q)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("asking %s: the answer is not the JSON that was expected: %w", Place(q.URL), err)
	}
	return nil
}

// Ask gets the body of the answer to a question. Errors name the server but not the query; a *StatusError is in the chain where the server
// refused, context.DeadlineExceeded where it took too long.
func Ask(ctx context.Context, q Question) ([]byte, error) {
	q.Timeout = cmp.Or(q.Timeout, defaultTimeout)
	ctx, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	answer, err := q.ask(ctx)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("asking %s: no answer within %s: %w", Place(q.URL), q.Timeout, ctx.Err())
	case err != nil:
		return nil, fmt.Errorf("asking %s: %w", Place(q.URL), err)
	}
	return answer, nil
}

func (q Question) ask(ctx context.Context) ([]byte, error) {
	request, err := q.request(ctx)
	if err != nil {
		return nil, err
	}
	client, secrets, err := Client(ctx, Options{Insecure: q.Insecure, OwnCloud: q.OwnCloud, Header: q.Header, Authentication: q.Authentication, Sign: q.Sign})
	if err != nil {
		return nil, err
	}
	secrets = append(secrets, q.Secrets...)
	answer, err := client.Do(request)
	if err != nil {
		return nil, Failure(err, secrets)
	}
	defer answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		// What cannot be read of it is not missed: the status says enough.
		text, _ := io.ReadAll(io.LimitReader(answer.Body, maxComplaint))
		return nil, Refusal(answer, text, secrets)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", Failure(err, secrets))
	}
	return []byte(hide(string(body), secrets)), nil
}

func (q Question) request(ctx context.Context) (*http.Request, error) {
	address, err := url.Parse(q.URL)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return nil, errors.New("this is no address of a server; it begins with http:// or https://")
	}
	return http.NewRequestWithContext(ctx, cmp.Or(q.Method, http.MethodGet), address.String(), bytes.NewReader(q.Body))
}

// Refusal makes a *StatusError of an answer other than 2xx and the text of its body.
func Refusal(answer *http.Response, text []byte, secrets []string) error {
	line := Hide(strings.Join(strings.Fields(strings.ToValidUTF8(string(text[:min(len(text), maxComplaint)]), "?")), " "), secrets)
	if len(line) > maxExcerpt {
		line = strings.ToValidUTF8(line[:maxExcerpt], "") + "..."
	}
	return &StatusError{Code: answer.StatusCode, Wait: wait(answer.Header, time.Now()), Excerpt: line}
}

// wait reads how long to wait: Retry-After in seconds or as a moment, or what Datadog says in its stead.
func wait(h http.Header, now time.Time) time.Duration {
	for _, name := range []string{"Retry-After", "X-RateLimit-Reset"} {
		if seconds, err := strconv.Atoi(h.Get(name)); err == nil && seconds > 0 && seconds < maxWait {
			return time.Duration(seconds) * time.Second
		}
	}
	if moment, err := http.ParseTime(h.Get("Retry-After")); err == nil && moment.After(now) {
		return moment.Sub(now).Round(time.Second)
	}
	return 0
}

// hide takes the secrets that are long enough to be none by chance out of an answer.
func hide(text string, secrets []string) string {
	long := slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) < shortestKey })
	if len(long) == 0 {
		return text
	}
	return Hide(text, long)
}

// Place names a server without what a query or a user may hold.
func Place(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "the metric server"
	}
	return u.Scheme + "://" + u.Host + u.Path
}
