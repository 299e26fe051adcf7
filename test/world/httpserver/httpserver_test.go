package httpserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"
)

func TestAConnectionWithoutARequestDoesNotHoldUpTheEnd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan struct{})
	server := New(http.NotFoundHandler())
	track := server.ConnState
	server.ConnState = func(c net.Conn, state http.ConnState) {
		track(c, state)
		if state == http.StateNew {
			close(accepted)
		}
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	spare, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer spare.Close()
	<-accepted
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Errorf("the server did not end in time: %v", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
