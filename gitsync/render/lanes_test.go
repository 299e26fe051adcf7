package render

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// endless is Jsonnet that is never done.
const endless = "local f(n) = if n < 0 then n else f(n + 1) tailstrict; {a: f(0)}"

// part is a source whose files are in a folder; fetched counts how often they were asked for.
func part(dir, revision string, fetched *atomic.Int32) gitsync.RenderPart {
	return gitsync.RenderPart{Source: gitopsv1.Source{RepoURL: dir}, Revision: revision, Fetch: func(context.Context) (gitsync.Checkout, error) {
		fetched.Add(1)
		return checkout(dir), nil
	}}
}

// TestRenderingsThatHangHoldUpOnlyThemselves gives workers more Applications whose renderings hang than there are workers, and then good ones.
func TestRenderingsThatHangHoldUpOnlyThemselves(t *testing.T) {
	bad, good := t.TempDir(), t.TempDir()
	write(t, bad, map[string]string{"x.jsonnet": endless})
	write(t, good, map[string]string{"x.yaml": configMap + "x\n"})
	r := &Renderer{Timeout: 30 * time.Second, Memory: 256 << 20}
	r.quick = 3 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	type work struct {
		name string
		part gitsync.RenderPart
	}
	var fetched, served atomic.Int32
	waiting := make(chan work, 16)
	for i := range 6 {
		waiting <- work{fmt.Sprintf("bad-%d", i), part(bad, "a", &fetched)}
	}
	for i := range 10 {
		waiting <- work{fmt.Sprintf("good-%d", i), part(good, "a", &fetched)}
	}
	close(waiting)
	var workers sync.WaitGroup
	for range 6 {
		workers.Go(func() {
			for w := range waiting {
				request := gitsync.RenderRequest{App: &gitopsv1.Application{}, Name: w.name, Parts: []gitsync.RenderPart{w.part}}
				got, err := r.Render(ctx, request)
				var gone *gitsync.UnreachableError
				for strings.HasPrefix(w.name, "good") && errors.As(err, &gone) && ctx.Err() == nil { // as the controller comes back
					got, err = r.Render(ctx, request)
				}
				if err == nil && len(got.Objects) == 1 && served.Add(1) == 10 {
					cancel()
				}
			}
		})
	}
	workers.Wait()
	if served.Load() != 10 {
		t.Errorf("%d of 10 good Applications were rendered while others hung", served.Load())
	}
}

func TestAFailedRenderingIsNotTriedAgainBeforeThereIsAnotherCommit(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"x.yaml": configMap + "[\n"})
	r := newRenderer()
	var fetched atomic.Int32
	try := func(revision string, hard bool, want int32) {
		t.Helper()
		_, err := r.Render(t.Context(), gitsync.RenderRequest{App: &gitopsv1.Application{}, Name: "shop", Hard: hard, Parts: []gitsync.RenderPart{part(dir, revision, &fetched)}})
		var gone *gitsync.UnreachableError
		if err == nil || !strings.Contains(err.Error(), "x.yaml") || errors.As(err, &gone) {
			t.Fatalf("error %v", err)
		}
		if n := fetched.Load(); n != want {
			t.Errorf("the files were asked for %d times, want %d", n, want)
		}
	}
	try("a", false, 1)
	try("a", false, 1)
	try("a", true, 2)
	try("b", false, 3)
	try("b", false, 3)
}
