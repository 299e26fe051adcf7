package cluster

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sluice-delivery/sluice/test/process"
)

// lastLines is how much of a failing program's output goes into an error.
const lastLines = 25

// reporter receives the package names that go build -v prints, and says now and then how far it got.
type reporter struct {
	start time.Time
	out   io.Writer

	mu    sync.Mutex
	text  bytes.Buffer
	lines int
}

func (r *reporter) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines += bytes.Count(text, []byte("\n"))
	return r.text.Write(text)
}

// every reports at each interval until the returned function is called.
func (r *reporter) every(interval time.Duration) (stop func()) {
	ticker, done := time.NewTicker(interval), make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for {
			select {
			case <-ticker.C:
				r.report()
			case <-done:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
		<-finished
	}
}

func (r *reporter) report() {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := process.Tail(r.text.Bytes(), 1)
	fmt.Fprintf(r.out, "  %5s  %4d packages, now at %s\n", time.Since(r.start).Round(time.Second), r.lines, line)
}

func (r *reporter) end() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return process.Tail(r.text.Bytes(), lastLines)
}
