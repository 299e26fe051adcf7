package service

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/notify"
)

// webhook sends a request to a URL.
type webhook struct {
	tuning
	URL     string `json:"url"`
	Headers []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"headers"`
	BasicAuth          *account `json:"basicAuth"`
	InsecureSkipVerify bool     `json:"insecureSkipVerify"`
}

// headerID is the header by which a server knows a message that it has had before.
const headerID = "Idempotency-Key"

// shortestSecret keeps header values such as 1 from being cut out of every error.
const shortestSecret = 8

func newWebhook(options []byte) (notify.Sender, error) {
	w := &webhook{}
	return w, parse(options, w)
}

// Send makes the request of the template that has the name of the service; without one, a GET with the message as body, as the format has it.
func (w *webhook) Send(ctx context.Context, m notify.Message) error {
	request := m.Webhook[m.Service]
	q := outbound.Question{
		Method: strings.ToUpper(cmp.Or(request.Method, http.MethodGet)), URL: join(w.URL, request.Path),
		Body: []byte(cmp.Or(request.Body, m.Message)), Header: map[string]string{headerID: m.ID}, Insecure: w.InsecureSkipVerify,
	}
	for _, h := range w.Headers {
		q.Header[http.CanonicalHeaderKey(h.Name)] = h.Value
		if len(h.Value) >= shortestSecret {
			q.Secrets = append(q.Secrets, h.Value)
		}
	}
	q.Secrets = append(q.Secrets, secretPath(w.URL)...)
	_, err := ask(ctx, q, w.BasicAuth)
	return err
}

// secretPath is the path of a URL: those of incoming webhooks are a password.
func secretPath(address string) []string {
	u, err := url.Parse(address)
	if err != nil || len(u.Path) < shortestSecret {
		return nil
	}
	return []string{u.Path}
}

// join puts a path behind a URL with one slash in between; a path that begins with a question mark is a query.
func join(address, path string) string {
	if path == "" || strings.HasPrefix(path, "?") {
		return address + path
	}
	return strings.TrimRight(address, "/") + "/" + strings.TrimLeft(path, "/")
}
