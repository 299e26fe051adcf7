package source

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
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

// TestWhoeverAsksAServerStandsInItsLine holds up all who may ask a server, and then asks it in every way.
func TestWhoeverAsksAServerStandsInItsLine(t *testing.T) {
	occupied := func(t *testing.T, all *Repositories, host string) {
		t.Helper()
		all.patience = time.Millisecond
		for range perHost {
			if err := all.host(host).enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, ask := range map[string]func(t *testing.T) error{
		"an object of LFS": func(t *testing.T) error {
			url, commit := stocked(t, map[string]string{"a.yaml": pointerTo("x", 1)}, map[string]string{oidOf("x"): "x"}, silence(t))
			all := asking(t, "enableLfs", url)
			occupied(t, all, "localhost")
			_, err := all.Fetch(t.Context(), want(url, ""), commit)
			return err
		},
		"a token of a GitHub App": func(t *testing.T) error {
			r := serve(t)
			all := newHub(t, r).as(t, map[string]string{"url": r.url, keyAppBase: silence(t)})
			occupied(t, all, "LOCALHOST")
			_, err := all.Resolve(t.Context(), want(r.url, "main"))
			return err
		},
		"a revert": func(t *testing.T) error {
			r, all := pushable(t)
			commit := r.commit(t, "one")
			occupied(t, all, "127.0.0.1")
			_, err := revert(t, all, r.url, commit, commit, proposals)
			return err
		},
		"a submodule": func(t *testing.T) error {
			shop := serve(t)
			shop.commit(t, "x")
			commit := shop.include(t, "m", silence(t)+"/x.git", strings.Repeat("1", 40))
			all := asking(t, keySubmodules, shop.url)
			occupied(t, all, "localhost")
			_, err := all.Fetch(t.Context(), permitting(shop.url, "*"), commit)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ask(t); err == nil || !strings.Contains(err.Error(), errHeldUp.Error()) {
				t.Errorf("error %v, want %q", err, errHeldUp)
			}
		})
	}
}
