package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// LostHeader is in the answer to every request that reached no app, and says why.
const LostHeader = "X-Gateway-Lost"

const (
	// mirrorsAtOnce bounds the copies under way, and mirrorBody the bytes of a body that are copied.
	mirrorsAtOnce = 64
	mirrorBody    = 1 << 20
	mirrorTimeout = 5 * time.Second
)

// proxy serves requests by the table that is current when each begins.
type proxy struct {
	gateway   *Gateway
	transport *http.Transport
	reverse   *httputil.ReverseProxy
	mirrors   sync.WaitGroup
	slots     chan struct{}
}

// choice is what was decided for one request.
type choice struct {
	rule    *rule
	backend *backend
	address string
}

type choiceKey struct{}

func newProxy(g *Gateway) *proxy {
	p := &proxy{gateway: g, slots: make(chan struct{}, mirrorsAtOnce), transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext, DisableCompression: true,
		MaxIdleConnsPerHost: 64, IdleConnTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute,
	}}
	p.reverse = &httputil.ReverseProxy{
		Transport: p.transport, BufferPool: &buffers{}, Rewrite: rewrite, ModifyResponse: modify, ErrorHandler: lose,
	}
	return p
}

// ServeHTTP finds the rule, picks the backend and its next endpoint, and passes the request on.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rule := p.gateway.table.Load().find(r)
	nobody := p.gateway.counter(types.NamespacedName{})
	if rule == nil {
		nobody.add(func(c *Count) { c.Requests++ })
		lost(w, nobody, http.StatusNotFound, "no route matches")
		return
	}
	at := rule.balancer.pick()
	if at < 0 || rule.broken != "" {
		nobody.add(func(c *Count) { c.Requests++ })
		lost(w, nobody, http.StatusInternalServerError, "the rule has no backend that it could use: "+rule.broken)
		return
	}
	to := rule.backends[at]
	to.add(func(c *Count) { c.Requests++ })
	switch {
	case to.unresolved:
		lost(w, to.counter, http.StatusInternalServerError, "backend not found")
		return
	case len(to.addresses) == 0:
		lost(w, to.counter, http.StatusServiceUnavailable, "no ready endpoint")
		return
	}
	for _, m := range append(rule.mirrors[:len(rule.mirrors):len(rule.mirrors)], to.mirrors...) {
		p.mirror(m, r)
	}
	chosen := &choice{rule: rule, backend: to, address: to.next(to.addresses)}
	p.reverse.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), choiceKey{}, chosen)))
}

func rewrite(r *httputil.ProxyRequest) {
	c := r.In.Context().Value(choiceKey{}).(*choice)
	r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", c.address, r.In.Host
	r.SetXForwarded()
	edit(r.Out.Header, c.rule.request, c.backend.request)
}

func modify(resp *http.Response) error {
	c := resp.Request.Context().Value(choiceKey{}).(*choice)
	c.backend.add(func(n *Count) {
		n.Statuses[resp.StatusCode]++
		n.Versions[resp.Header.Get("X-Version")]++
	})
	edit(resp.Header, c.rule.response, c.backend.response)
	return nil
}

// lose answers where an endpoint did not. A client that went away itself has lost nothing.
func lose(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return
	}
	lost(w, r.Context().Value(choiceKey{}).(*choice).backend.counter, http.StatusBadGateway, err.Error())
}

func lost(w http.ResponseWriter, c *counter, status int, why string) {
	c.add(func(n *Count) {
		n.Lost++
		n.Statuses[status]++
	})
	w.Header().Set(LostHeader, why)
	http.Error(w, why, status)
}

func edit(h http.Header, lists ...[]*gatewayv1.HTTPHeaderFilter) {
	for _, filters := range lists {
		for _, f := range filters {
			for _, s := range f.Set {
				h.Set(string(s.Name), s.Value)
			}
			for _, a := range f.Add {
				h.Add(string(a.Name), a.Value)
			}
			for _, name := range f.Remove {
				h.Del(name)
			}
		}
	}
}

// mirror sends a copy, whose answer nobody waits for. It is left out where too many are under way or the body is big.
func (p *proxy) mirror(m mirror, r *http.Request) {
	if m.share.pick() != 0 || len(m.to.addresses) == 0 || r.ContentLength > mirrorBody || r.ContentLength < 0 {
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, mirrorBody))
	if err != nil {
		// The client broke off; what passes the request on meets the same error and says so.
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	select {
	case p.slots <- struct{}{}:
	default:
		return
	}
	m.to.add(func(c *Count) { c.Mirrored++ })
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), mirrorTimeout)
	out := r.Clone(ctx)
	out.RequestURI, out.Body = "", io.NopCloser(bytes.NewReader(body))
	out.URL.Scheme, out.URL.Host = "http", m.to.next(m.to.addresses)
	p.mirrors.Go(func() {
		defer func() { <-p.slots }()
		defer cancel()
		resp, err := p.transport.RoundTrip(out)
		if err != nil {
			// A mirror owes nothing to anybody.
			return
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, mirrorBody))
		_ = resp.Body.Close()
	})
}

// close ends what is under way besides the requests themselves.
func (p *proxy) close() {
	p.mirrors.Wait()
	p.transport.CloseIdleConnections()
}

// buffers spares the proxy an allocation of 32 KiB for each request.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if kept, ok := b.pool.Get().(*[]byte); ok {
		return *kept
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(buffer []byte) { b.pool.Put(&buffer) }
