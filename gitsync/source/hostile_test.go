package source

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tree makes a tree object from lines of git ls-tree, which git itself would not, and a commit of it.
func (r *remote) tree(t *testing.T, lines string) string {
	t.Helper()
	cmd := exec.Command("git", "-C", r.dir, "mktree", "--missing")
	cmd.Stdin = strings.NewReader(lines)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	sha := r.git(t, "commit-tree", "-m", "x", strings.TrimSpace(string(out)))
	r.git(t, "update-ref", "refs/heads/main", sha)
	return sha
}

func TestAForcePushBetweenQuestionAndFetchChangesNothing(t *testing.T) {
	r := serve(t)
	old := r.commit(t, "old")
	all := repositories(t, r.url, canary)
	if got, err := all.Resolve(t.Context(), want(r.url, "main")); err != nil || got != old {
		t.Fatalf("%s, %v", got, err)
	}
	r.git(t, "checkout", "-q", "--orphan", "other")
	r.commit(t, "another history")
	r.git(t, "branch", "-q", "-M", "other", "main")
	got, err := all.Fetch(t.Context(), want(r.url, "main"), old)
	if err != nil {
		if !strings.Contains(err.Error(), "no branch or tag leads to this commit") {
			t.Errorf("error %v", err)
		}
		return
	}
	defer got.Release()
	if text, err := os.ReadFile(filepath.Join(got.Dir, "cm.yaml")); err != nil || string(text) != "old" {
		t.Errorf("the file says %q, %v", text, err)
	}
}

func TestFilesInUseStayAsTheyWereVerifiedWhateverIsPushedMeanwhile(t *testing.T) {
	r := serve(t)
	first := r.commit(t, "one")
	all := repositories(t, r.url, canary)
	used, err := all.Fetch(t.Context(), want(r.url, ""), first)
	if err != nil {
		t.Fatal(err)
	}
	defer used.Release()
	before, err := used.Tree(t.Context(), "cm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r.git(t, "checkout", "-q", "--orphan", "other")
	second := r.commit(t, "two")
	r.git(t, "branch", "-q", "-M", "other", "main")
	later, err := all.Fetch(t.Context(), want(r.url, ""), second)
	if err != nil {
		t.Fatal(err)
	}
	defer later.Release()
	if later.Dir == used.Dir {
		t.Fatal("two commits share a folder")
	}
	for dir, text := range map[string]string{used.Dir: "one", later.Dir: "two"} {
		if is, err := os.ReadFile(filepath.Join(dir, "cm.yaml")); err != nil || string(is) != text {
			t.Errorf("the file says %q, %v; want %q", is, err, text)
		}
	}
	if after, err := used.Tree(t.Context(), "cm.yaml"); err != nil || after != before {
		t.Errorf("the identity of the file went from %s to %s, %v", before, after, err)
	}
}

func TestABranchThatIsGoneIsTold(t *testing.T) {
	r := serve(t)
	r.commit(t, "one")
	r.git(t, "branch", "release")
	all := repositories(t, r.url, canary)
	if _, err := all.Resolve(t.Context(), want(r.url, "release")); err != nil {
		t.Fatal(err)
	}
	r.git(t, "branch", "-q", "-D", "release")
	fresh := want(r.url, "release")
	fresh.Fresh = true
	if _, err := all.Resolve(t.Context(), fresh); err == nil || !strings.Contains(err.Error(), `no branch or tag "release"`) {
		t.Errorf("error %v", err)
	}
	gone := strings.Repeat("1", 40)
	if _, err := all.Fetch(t.Context(), want(r.url, ""), gone); err == nil || !strings.Contains(err.Error(), "fetching "+gone) {
		t.Errorf("error %v", err)
	}
}

func TestAttributesFiltersAndSubmodulesDoNothing(t *testing.T) {
	internal := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the network was reached") }))
	defer internal.Close()
	r := serve(t)
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("0", 64) + "\nsize 1\n"
	for name, text := range map[string]string{".gitattributes": "*.yaml filter=lfs diff=lfs ident eol=crlf\n", "a.yaml": pointer, ".gitmodules": "[submodule \"sub\"]\n\tpath = sub\n\turl = " + internal.URL + "\n",
		".lfsconfig": "[lfs]\n\turl = " + internal.URL + "\n"} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.git(t, "-c", "filter.lfs.required=false", "add", ".")
	r.git(t, "update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",sub")
	r.git(t, "commit", "-q", "-m", "x")
	all := repositories(t, r.url, canary)
	got, err := all.Fetch(t.Context(), want(r.url, ""), r.git(t, "rev-parse", "HEAD"))
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	if text, err := os.ReadFile(filepath.Join(got.Dir, "a.yaml")); err != nil || strings.ReplaceAll(string(text), "\r", "") != pointer {
		t.Errorf("the pointer says %q, %v", text, err)
	}
	if entries, err := os.ReadDir(filepath.Join(got.Dir, "sub")); err != nil && !os.IsNotExist(err) || len(entries) != 0 {
		t.Errorf("the submodule holds %v, %v", entries, err)
	}
}

func TestTreesThatWouldWriteElsewhereAreRefused(t *testing.T) {
	for name, reason := range map[string]string{".git": "hasDotgit", ".GIT": "hasDotgit", "..": "hasDotdot", "git~1": "hasDotgit"} {
		r := serve(t)
		r.commit(t, "one")
		blob := r.git(t, "rev-parse", "HEAD:cm.yaml")
		sha := r.tree(t, fmt.Sprintf("100644 blob %s\t%s\n", blob, name))
		_, err := repositories(t, r.url, canary).Fetch(t.Context(), want(r.url, ""), sha)
		if err == nil || !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s gives %v, want %q", name, err, reason)
		}
	}
}

func TestServersWithoutEndAreCutOff(t *testing.T) {
	line := func(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }
	start := line("# service=git-upload-pack\n") + "0000" + line(strings.Repeat("1", 40)+" HEAD\x00side-band-64k\n")
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, q *http.Request)
		reason string
	}{
		"refs without end": {func(w http.ResponseWriter, q *http.Request) {
			fmt.Fprint(w, start)
			for n := 0; q.Context().Err() == nil; n++ {
				if _, err := fmt.Fprint(w, line(fmt.Sprintf("%s refs/heads/%090d\n", strings.Repeat("1", 40), n))); err != nil {
					return
				}
			}
		}, "git "},
		"nothing but silence": {func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() }, "git did not finish within 3s"},
		"garbage":             {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "\x00\xff\x1b[2J"+canary) }, "exit status 128"},
		"one more place": {func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "http://127.0.0.1:1/x", http.StatusFound)
		}, "exit status 128"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
				c.answer(w, q)
			}))
			defer server.Close()
			all := repositories(t, server.URL+"/x.git", canary)
			all.Timeout = 3 * time.Second
			begun := time.Now()
			_, err := all.Resolve(t.Context(), want(server.URL+"/x.git", "main"))
			if err == nil || !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), canary) || strings.ContainsAny(err.Error(), "\x00\x1b") {
				t.Errorf("error %q, want %q", err, c.reason)
			}
			if took := time.Since(begun); took > time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
}
