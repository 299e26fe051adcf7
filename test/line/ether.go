package line

import (
	"io"
	"log"
	"net"
	"sync"
	"sync/atomic"
)

// silent drops what a server says about connections that break: that is what they are here for.
var silent = log.New(io.Discard, "", 0)

// mode is what an ether does to bytes.
type mode int

const (
	whole mode = iota
	cut
	stalled
)

// ether is a listener whose connections all share one fate.
type ether struct {
	net.Listener
	troubles atomic.Int64

	mu    sync.Mutex
	mode  mode
	moves chan struct{} // closed while bytes move
	open  map[*wire]bool
}

func newEther(l net.Listener) *ether {
	e := &ether{Listener: l, moves: make(chan struct{}), open: map[*wire]bool{}}
	close(e.moves)
	return e
}

func (e *ether) set(to mode) {
	e.mu.Lock()
	if e.mode == stalled && to != stalled {
		close(e.moves)
	}
	if e.mode != stalled && to == stalled {
		e.moves = make(chan struct{})
	}
	e.mode = to
	e.mu.Unlock()
	if to == cut {
		e.hangUp()
	}
}

func (e *ether) hangUp() {
	e.mu.Lock()
	var all []*wire
	for w := range e.open {
		all = append(all, w)
	}
	e.mu.Unlock()
	for _, w := range all {
		_ = w.Close() // it may have ended by itself
	}
}

// Accept hands out a connection; while the line is cut it breaks each at once.
func (e *ether) Accept() (net.Conn, error) {
	for {
		c, err := e.Listener.Accept()
		if err != nil {
			return nil, err
		}
		w := &wire{Conn: c, ether: e, closed: make(chan struct{})}
		e.mu.Lock()
		broken := e.mode == cut
		if !broken {
			e.open[w] = true
		}
		e.mu.Unlock()
		if !broken {
			return w, nil
		}
		e.troubles.Add(1)
		_ = c.Close() // the client sees just that
	}
}

// wait returns when bytes move; it is false where the connection ended before.
func (e *ether) wait(w *wire) bool {
	e.mu.Lock()
	moves := e.moves
	e.mu.Unlock()
	select {
	case <-moves:
		return true
	default:
	}
	e.troubles.Add(1)
	select {
	case <-moves:
		return true
	case <-w.closed:
		return false
	}
}

// wire is one connection.
type wire struct {
	net.Conn
	ether  *ether
	once   sync.Once
	closed chan struct{}
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err == nil && !w.ether.wait(w) {
		return 0, net.ErrClosed
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	if !w.ether.wait(w) {
		return 0, net.ErrClosed
	}
	return w.Conn.Write(b)
}

func (w *wire) Close() error {
	w.once.Do(func() {
		close(w.closed)
		w.ether.mu.Lock()
		delete(w.ether.open, w)
		w.ether.mu.Unlock()
	})
	return w.Conn.Close()
}
