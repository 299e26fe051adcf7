package source

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-delivery/sluice/gitsync"
)

func TestWhoWaitsBehindOneThatHangsIsTurnedAwayAndWhoGetsOnIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 10*time.Second)
		for range 50 { // each works for a while, and all get in
			go func() {
				if err := q.enter(t.Context()); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(9 * time.Second)
				q.leave()
			}()
		}
		time.Sleep(time.Hour)
		if err := q.enter(t.Context()); err != nil { // and this one hangs
			t.Fatal(err)
		}
		for i, most := range []time.Duration{10 * time.Second, 0, 0} {
			begun := time.Now()
			var gone *gitsync.UnreachableError
			if err := q.enter(t.Context()); !errors.As(err, &gone) || gone.Again == 0 || time.Since(begun) > most {
				t.Errorf("caller %d gets %v after %s", i, err, time.Since(begun))
			}
		}
		q.leave()
		if err := q.enter(t.Context()); err != nil {
			t.Errorf("once it got on: %v", err)
		}
	})
}

func TestNobodyWaitsOnceHisOwnTimeIsUp(t *testing.T) {
	q := newQueue(1, time.Hour)
	if err := q.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.enter(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
