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

func TestALockThatAKilledGitLeftBehindKeepsNobodyOut(t *testing.T) {
	r := serve(t)
	all := repositories(t, r.url, canary)
	for i, text := range []string{"one", "two"} {
		files, err := all.Fetch(t.Context(), want(r.url, ""), r.commit(t, text))
		if err != nil {
			t.Fatalf("commit %d: %v", i, err)
		}
		files.Release()
		for _, c := range all.clones {
			if err := os.WriteFile(filepath.Join(c.what.bare(), "shallow.lock"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestCredentialsLieWhereTheNextProcessRemovesThem(t *testing.T) {
	r := serve(t)
	r.commit(t, "one")
	all := repositories(t, r.url, canary)
	a, err := parseAddress(r.url, all.Schemes)
	if err != nil {
		t.Fatal(err)
	}
	git := all.runner(a, credentials{data: map[string]string{"sshPrivateKey": canary}}, Keys{})
	if err := git.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if key, err := filepath.Glob(filepath.Join(all.Dir, "*", "key")); err != nil || len(key) != 1 {
		t.Errorf("the key lies in %v, %v", key, err)
	}
	if err := git.close(); err != nil || folders(t, all) != 0 {
		t.Errorf("%v, and %d folders are left", err, folders(t, all))
	}
}
