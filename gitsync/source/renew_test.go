package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACloneForgetsOldCommitsAndStillGivesThoseThatAreAskedFor(t *testing.T) {
	r := serve(t)
	all := repositories(t, r.url, canary)
	fetch := func(revision, text string) {
		t.Helper()
		files, err := all.Fetch(t.Context(), want(r.url, ""), revision)
		if err != nil {
			t.Fatal(err)
		}
		defer files.Release()
		if got, err := os.ReadFile(filepath.Join(files.Dir, "cm.yaml")); err != nil || string(got) != text {
			t.Fatalf("the file says %q, %v", got, err)
		}
	}
	first := r.commit(t, "one")
	fetch(first, "one")
	packs := func() int {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(all.Dir, "*", "bare.git", "objects", "pack", "*.pack"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	for i := range 3 {
		fetch(r.commit(t, strings.Repeat("x", i+1)), strings.Repeat("x", i+1))
	}
	if packs() != 4 {
		t.Fatalf("four commits make %d packs", packs())
	}
	for _, c := range all.clones {
		c.what.fetched = maxFetched
	}
	fetch(r.commit(t, "last"), "last")
	if packs() != 1 {
		t.Errorf("a clone that begins anew has %d packs", packs())
	}
	fetch(first, "one")
}
