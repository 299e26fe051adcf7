package line

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// lay makes a line to a server that says the path that it was asked for, and a client at its other end.
func lay(t *testing.T) (*Line, *http.Client) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Impersonate-User"), r.URL.Path)
	}))
	t.Cleanup(server.Close)
	return layTo(t, server)
}

func layTo(t *testing.T, server *httptest.Server) (*Line, *http.Client) {
	t.Helper()
	l, err := New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(l.CA) {
		t.Fatal("the certificate cannot be read")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return l, &http.Client{Transport: transport, Timeout: time.Minute}
}

func ask(l *Line, c *http.Client) (string, error) {
	request, err := http.NewRequest(http.MethodGet, l.URL+"/path", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Impersonate-User", "eve")
	response, err := c.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fmt.Sprint(response.ProtoMajor, response.StatusCode, string(body)), err
}

const answered = "2 200eve/path"

func TestAWholeLinePassesRequestsOn(t *testing.T) {
	l, c := lay(t)
	if got, err := ask(l, c); err != nil || got != answered {
		t.Errorf("got %q, %v", got, err)
	}
	if l.Troubles() != 0 {
		t.Errorf("%d troubles", l.Troubles())
	}
}

func TestACutLineFailsRequestsUntilItIsHealed(t *testing.T) {
	l, c := lay(t)
	if _, err := ask(l, c); err != nil {
		t.Fatal(err)
	}
	l.Cut()
	for l.Troubles() == 0 { // the first request may still find the connection that was broken
		if got, err := ask(l, c); err == nil {
			t.Fatalf("got %q through a cut line", got)
		}
	}
	l.Heal()
	if got, err := ask(l, c); err != nil || got != answered {
		t.Errorf("after the cut: %q, %v", got, err)
	}
}

func TestAStalledLineHoldsARequestBackAndDeliversItLater(t *testing.T) {
	l, c := lay(t)
	if _, err := ask(l, c); err != nil {
		t.Fatal(err)
	}
	l.Stall()
	result := make(chan string, 1)
	go func() {
		got, err := ask(l, c)
		result <- fmt.Sprint(got, err)
	}()
	for l.Troubles() == 0 {
		time.Sleep(time.Millisecond)
	}
	select {
	case got := <-result:
		t.Fatalf("got %q through a stalled line", got)
	default:
	}
	l.Heal()
	if got := <-result; got != answered+"<nil>" {
		t.Errorf("after the stall: %q", got)
	}
}

func TestAStalledLineCanBeCut(t *testing.T) {
	l, c := lay(t)
	l.Stall()
	result := make(chan error, 1)
	go func() {
		_, err := ask(l, c)
		result <- err
	}()
	for l.Troubles() == 0 {
		time.Sleep(time.Millisecond)
	}
	l.Cut()
	if err := <-result; err == nil {
		t.Error("the request got through")
	}
}

func TestAWriteThatIsHeldBackArrivesThoughItsSenderHasGone(t *testing.T) {
	arrived := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.Method == http.MethodPatch {
			select {
			case <-r.Context().Done(): // the sender's end must not reach the server
				err = r.Context().Err()
			case <-time.After(100 * time.Millisecond):
			}
		}
		arrived <- fmt.Sprint(r.Method, string(body), err)
	}))
	t.Cleanup(server.Close)
	l, c := layTo(t, server)
	l.Hold()
	if _, err := ask(l, c); err != nil || <-arrived != "GET<nil>" {
		t.Errorf("a read does not pass: %v", err)
	}
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, l.URL, strings.NewReader("late"))
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() {
		response, err := c.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		gone <- err
	}()
	for l.Troubles() == 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	if err := <-gone; err == nil || len(arrived) > 0 {
		t.Errorf("the write was answered: %v", err)
	}
	l.Heal()
	select {
	case got := <-arrived:
		if got != "PATCHlate<nil>" {
			t.Errorf("what arrived is %s", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing arrived")
	}
}

func TestWhatIsSaidInTheServersPlaceIsHeard(t *testing.T) {
	l, c := lay(t)
	l.Say(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/path" {
			return false
		}
		w.WriteHeader(http.StatusTeapot)
		return true
	})
	if got, err := ask(l, c); err != nil || got != "2 418" {
		t.Errorf("got %q, %v", got, err)
	}
	l.Heal()
	if got, err := ask(l, c); err != nil || got != answered {
		t.Errorf("afterwards: %q, %v", got, err)
	}
}
