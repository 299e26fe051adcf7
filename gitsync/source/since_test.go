package source

import (
	"testing"
	"time"
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
