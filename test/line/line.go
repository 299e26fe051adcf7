package line

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"

	"k8s.io/client-go/rest"
)

// Line passes requests on to one API server. URL is where it listens, and CA the certificate by which clients know it, in PEM.
type Line struct {
	URL string
	CA  []byte

	server  *httptest.Server
	pass    http.Handler
	ether   *ether
	answers atomic.Int64

	mu     sync.Mutex
	answer Answer
	held   chan struct{} // closed when what was held back may go on; nil where nothing is
}

// Answer is what is said in the server's place; false passes a request on.
type Answer func(http.ResponseWriter, *http.Request) bool

// New lays a line to the server of a configuration, whose credentials it uses: a client shows none of its own, and says whom it acts as.
func New(to *rest.Config) (*Line, error) {
	transport, err := rest.TransportFor(to)
	if err != nil {
		return nil, fmt.Errorf("laying a line to %s: %w", to.Host, err)
	}
	target, err := url.Parse(to.Host)
	if err != nil {
		return nil, fmt.Errorf("laying a line to %s: %w", to.Host, err)
	}
	l := &Line{pass: &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, // a watch is sent event by event
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		// The client has gone, or its line was cut; nobody hears an answer.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}}
	l.server = httptest.NewUnstartedServer(http.HandlerFunc(l.serve))
	l.ether = newEther(l.server.Listener)
	l.server.Listener, l.server.EnableHTTP2 = l.ether, true
	l.server.Config.ErrorLog = silent
	l.server.StartTLS()
	l.URL = l.server.URL
	l.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.server.Certificate().Raw})
	return l, nil
}

func (l *Line) serve(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	answer, held := l.answer, l.held
	l.mu.Unlock()
	if answer != nil && answer(w, r) {
		l.answers.Add(1)
		return
	}
	if held != nil && r.Method != http.MethodGet {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it never was a whole request
		}
		l.answers.Add(1)
		<-held
		ctx, done := context.WithCancel(context.WithoutCancel(r.Context()))
		defer done()
		r = r.Clone(ctx) // with an end of its own, or else the proxy would end it for a sender that has gone
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	l.pass.ServeHTTP(w, r)
}

// Cut breaks every connection and takes no new one.
func (l *Line) Cut() { l.ether.set(cut) }

// Stall holds every byte in both directions back; connections stay open, and new ones can be made.
func (l *Line) Stall() { l.ether.set(stalled) }

// Hold lets everything pass but writes, which arrive when the line is healed: also those of clients that have gone by then.
func (l *Line) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = make(chan struct{})
	}
}

// Say has requests answered in the server's place. Connections are broken, so that requests under way, such as watches, come again.
func (l *Line) Say(answer Answer) {
	l.mu.Lock()
	l.answer = answer
	l.mu.Unlock()
	l.ether.hangUp()
}

// Heal ends what Cut, Stall, Hold or Say began. What was held back arrives.
func (l *Line) Heal() {
	l.mu.Lock()
	l.answer = nil
	if l.held != nil {
		close(l.held)
		l.held = nil
	}
	l.mu.Unlock()
	l.ether.set(whole)
}

// Troubles counts what was refused, held back or answered in the server's place so far.
func (l *Line) Troubles() int64 { return l.answers.Load() + l.ether.troubles.Load() }

// Close takes the line away.
func (l *Line) Close() {
	l.Heal()
	l.Cut()
	l.server.Close()
}
