package cluster

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// hello is a server small enough to build in a test, in an empty cache of its own.
func hello(t *testing.T, source string) Server {
	t.Helper()
	if cache, err := os.UserCacheDir(); err == nil && os.Getenv("GOCACHE") == "" {
		t.Setenv("GOCACHE", filepath.Join(cache, "go-build")) // else Go's own library would be built again
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	s := Server{name: "hello", about: "a greeting", dir: t.TempDir(), target: "."}
	write(t, s, "go.mod", "module example.com/hello\n\ngo 1.26.0\n")
	write(t, s, "go.sum", "")
	write(t, s, "main.go", source)
	return s
}

func write(t *testing.T, s Server, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func binary(t *testing.T, s Server, progress *bytes.Buffer) string {
	t.Helper()
	path, err := s.Binary(t.Context(), progress)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAServerIsBuiltOnceAndReusedUntilItsSourcesChange(t *testing.T) {
	s := hello(t, "package main\n\nfunc main() { println(1) }\n")
	var first, second, third bytes.Buffer
	path := binary(t, s, &first)
	if !strings.Contains(first.String(), "building a greeting, once") {
		t.Errorf("the first use said %q", first.String())
	}
	elsewhere := hello(t, "package main\n\nfunc main() { println(1) }\n")
	t.Setenv("XDG_CACHE_HOME", filepath.Dir(filepath.Dir(filepath.Dir(path))))
	if again := binary(t, elsewhere, &second); again != path || second.Len() > 0 {
		t.Errorf("another checkout of the same sources got %s, not %s, and was told %q", again, path, second.String())
	}
	write(t, s, "main.go", "package main\n\nfunc main() { println(2) }\n")
	if changed := binary(t, s, &third); changed == path {
		t.Errorf("changed sources got the old binary %s", changed)
	}
}

func TestTwoWhoNeedAServerAtOnceBuildItOnce(t *testing.T) {
	s := hello(t, "package main\n\nfunc main() {}\n")
	said := make([]bytes.Buffer, 2)
	var both sync.WaitGroup
	for i := range said {
		both.Go(func() {
			if _, err := s.Binary(t.Context(), &said[i]); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	all := said[0].String() + said[1].String()
	if builds := strings.Count(all, "building a greeting"); builds != 1 {
		t.Errorf("%d builds:\n%s", builds, all)
	}
}

func TestABuildThatFailsSaysWhyAndKeepsNothing(t *testing.T) {
	s := hello(t, "package main\n\nfunc main() { nonsense() }\n")
	_, err := s.Binary(t.Context(), new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), "building hello") || !strings.Contains(err.Error(), "undefined: nonsense") {
		t.Errorf("error is %v", err)
	}
	kept, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "sluice", "bin", "hello*"))
	if err != nil || len(kept) > 0 {
		t.Errorf("kept %v (%v)", kept, err)
	}
}
