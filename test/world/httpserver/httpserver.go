package httpserver

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// New returns a server that is not yet listening. Clients dial spare connections on which no request ever comes;
// the server's Shutdown would wait five seconds for each of them, so they are closed as soon as it is called.
func New(handler http.Handler) *http.Server {
	var mu sync.Mutex
	spare := map[net.Conn]bool{}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	server.ConnState = func(c net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if state == http.StateNew {
			spare[c] = true
		} else {
			delete(spare, c)
		}
	}
	server.RegisterOnShutdown(func() {
		mu.Lock()
		defer mu.Unlock()
		for c := range spare {
			// It is unused: that it is closed already is as good.
			_ = c.Close()
		}
	})
	return server
}
