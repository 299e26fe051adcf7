package source

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-delivery/sluice/gitsync"
)

// silence is the URL of a server that takes connections and never says anything.
func silence(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "http://localhost:" + port
}

// TestAServerThatHangsHoldsUpNobodyElse gives workers more Applications of a server that hangs than there are workers, and then some of another one.
func TestAServerThatHangsHoldsUpNobodyElse(t *testing.T) {
	r := serve(t)
	r.commit(t, "one")
	all := repositories(t, r.url, canary)
	all.Timeout, all.patience = time.Hour, time.Second
	hung := silence(t)
	var work []gitsync.Want
	for i := range 60 {
		work = append(work, want(hung+"/all.git", "main"), want(fmt.Sprintf("%s/%d.git", hung, i), "main"))
	}
	for range 10 {
		work = append(work, want(r.url, "main"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	waiting := make(chan gitsync.Want, len(work))
	for _, w := range work {
		waiting <- w
	}
	close(waiting)
	var served atomic.Int32
	var workers sync.WaitGroup
	for range 20 {
		workers.Go(func() {
			for w := range waiting {
				_, err := all.Resolve(ctx, w)
				var gone *gitsync.UnreachableError
				for w.Source.RepoURL == r.url && errors.As(err, &gone) && gone.Again > 0 && ctx.Err() == nil { // as the controller comes back
					_, err = all.Resolve(ctx, w)
				}
				if w.Source.RepoURL == r.url && err == nil && served.Add(1) == 10 {
					cancel()
				}
			}
		})
	}
	workers.Wait()
	if served.Load() != 10 {
		t.Errorf("%d of 10 Applications were served within a minute", served.Load())
	}
}

func TestWhatWasAskedInVainIsNotAskedAgainByEverybody(t *testing.T) {
	r := serve(t)
	r.commit(t, "one")
	all := repositories(t, r.url, "wrong-"+canary)
	for range 10 {
		var gone *gitsync.UnreachableError
		if _, err := all.Resolve(t.Context(), want(r.url, "main")); !errors.As(err, &gone) {
			t.Fatalf("error %v", err)
		}
	}
	if n := r.refused.Load(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
	fresh := want(r.url, "main")
	fresh.Fresh = true
	if _, err := all.Resolve(t.Context(), fresh); err == nil || r.refused.Load() != 2 {
		t.Errorf("somebody who asks for a fresh look gets %v, and the server was asked %d times", err, r.refused.Load())
	}
}
