package source

import (
	"testing"
	"time"

	"github.com/sluice-delivery/sluice/gitsync"
)

func TestAllWhoAskedBeforeAQuestionShareItsAnswer(t *testing.T) {
	r := serve(t)
	r.commit(t, "one")
	all := repositories(t, r.url, canary)
	asked := time.Now()
	w := want(r.url, "main")
	w.Fresh, w.Since = true, asked
	for range 20 {
		if _, err := all.Resolve(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.listings.Load(); n != 1 {
		t.Errorf("the repository was asked %d times for one push", n)
	}
	second := r.commit(t, "two")
	w.Since = time.Now()
	if got, err := all.Resolve(t.Context(), w); err != nil || got != second {
		t.Errorf("a later push gives %s, %v; want %s", got, err, second)
	}
}

func TestWithoutAnIntervalAnAnswerHoldsUntilSomebodyAsks(t *testing.T) {
	r := serve(t)
	first := r.commit(t, "one")
	all := repositories(t, r.url, canary)
	all.Poll = time.Nanosecond
	w := want(r.url, "main")
	w.Poll = &gitsync.Interval{}
	second := ""
	for _, text := range []string{"two", "three"} {
		if got, err := all.Resolve(t.Context(), w); err != nil || got != first {
			t.Fatalf("%s, %v; want %s", got, err, first)
		}
		second = r.commit(t, text)
	}
	w.Fresh = true
	if got, err := all.Resolve(t.Context(), w); err != nil || got != second {
		t.Errorf("who asks gets %s, %v; want %s", got, err, second)
	}
}

func TestWithoutAnIntervalAFailureIsSharedForAWhileAndForgottenThen(t *testing.T) {
	r := serve(t)
	r.commit(t, "one")
	all := repositories(t, r.url, "wrong")
	w := want(r.url, "main")
	w.Poll = &gitsync.Interval{}
	refused := func() int32 {
		if _, err := all.Resolve(t.Context(), w); err == nil {
			t.Fatal("it answers")
		}
		return r.refused.Load()
	}
	once := refused()
	if again := refused(); again != once {
		t.Errorf("it was asked again at once: refused %d times, then %d", once, again)
	}
	for _, c := range all.clones {
		c.what.listing.vain.until = time.Now()
	}
	if again := refused(); again == once {
		t.Error("it was not asked again")
	}
}
