package forge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func start(t *testing.T) *Forge {
	t.Helper()
	f, err := Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Stop(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestWhatIsPushedCanBeFetchedAloneByItsSHA(t *testing.T) {
	f := start(t)
	c, err := f.Create(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	var commits []string
	for _, text := range []string{"one", "two"} {
		if err := c.Write(map[string][]byte{"deep/file.txt": []byte(text)}); err != nil {
			t.Fatal(err)
		}
		sha, err := c.Commit(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Push(t.Context()); err != nil {
			t.Fatal(err)
		}
		commits = append(commits, sha)
	}
	listing, err := git(t.Context(), f.dir, "ls-remote", c.URL, "main")
	if err != nil || !strings.HasPrefix(listing, commits[1]) {
		t.Errorf("listing %q, error %v", listing, err)
	}
	other := t.TempDir()
	for _, arguments := range [][]string{{"init", "--quiet"}, {"fetch", "--quiet", "--depth=1", c.URL, commits[0]}, {"checkout", "--quiet", commits[0]}} {
		if _, err := git(t.Context(), other, arguments...); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(other, "deep", "file.txt")); err != nil || string(text) != "one" {
		t.Errorf("file %q, error %v", text, err)
	}
}

func TestNothingOutsideOfTheFolderIsServed(t *testing.T) {
	f := start(t)
	if _, err := git(t.Context(), f.dir, "ls-remote", f.URL+"/..%2Fother.git"); err == nil {
		t.Error("a repository elsewhere was listed")
	}
	if _, err := git(t.Context(), f.dir, "ls-remote", f.URL+"/missing.git"); err == nil {
		t.Error("a repository that does not exist was listed")
	}
}

func TestAPushIsToldAndSignedUntilItIsTaken(t *testing.T) {
	told := make(chan string, 10)
	attempts := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if attempts++; attempts == 1 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		sum := hmac.New(sha256.New, []byte("hush"))
		sum.Write(body)
		if err != nil || r.Header.Get("X-Gogs-Signature") != hex.EncodeToString(sum.Sum(nil)) {
			t.Errorf("signature %q, error %v", r.Header.Get("X-Gogs-Signature"), err)
		}
		told <- string(body)
	}))
	defer server.Close()
	f := start(t)
	f.Tell(server.URL, "hush")
	c, err := f.Create(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Commit(t.Context(), "nothing yet"); err != nil {
		t.Fatal(err)
	}
	if err := c.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	if body := <-told; !strings.Contains(body, f.URL+"/shop") || !strings.Contains(body, "refs/heads/main") {
		t.Errorf("told %s", body)
	}
}
