package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAServerThatFailsToStartIsReportedWithTheEndOfItsLogAndLeavesNothing(t *testing.T) {
	assets := t.TempDir()
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		script := "#!/bin/sh\necho first line\necho " + name + " is out of luck >&2\nexit 3\n"
		if err := os.WriteFile(filepath.Join(assets, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	temporary := emptyTemporary(t)
	t.Setenv("KUBEBUILDER_ASSETS", assets)
	_, err := Start(t.Context(), Options{})
	if err == nil {
		t.Fatal("the control plane started without any server")
	}
	for _, part := range []string{"etcd ended by itself", "exit status 3", "first line", "etcd is out of luck"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in the error: %v", part, err)
		}
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestAStartThatIsGivenUpLeavesNothing(t *testing.T) {
	temporary := emptyTemporary(t)
	impatient, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Start(impatient, Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// emptyTemporary makes a folder for temporary files that is empty, and not as deep as those of the testing package.
func emptyTemporary(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	return dir
}

func TestATemporaryFolderTooDeepForASocketIsNamed(t *testing.T) {
	temporary := filepath.Join(t.TempDir(), strings.Repeat("deep", 25))
	if err := os.Mkdir(temporary, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temporary)
	if _, err := Start(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "set TMPDIR") {
		t.Errorf("error is %v", err)
	}
}

func TestServersOfTheUserGoBeforeOurs(t *testing.T) {
	assets := t.TempDir()
	t.Setenv("KUBEBUILDER_ASSETS", assets)
	if _, err := findBinaries(t.Context(), t.Output()); err == nil || !strings.Contains(err.Error(), "KUBEBUILDER_ASSETS") {
		t.Errorf("a folder without an API server gave %v", err)
	}
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if err := os.WriteFile(filepath.Join(assets, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	found, err := findBinaries(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if program, arguments := found.command("etcd"); program != filepath.Join(assets, "etcd") || len(arguments) > 0 {
		t.Errorf("etcd is %s %v", program, arguments)
	}
	if program, arguments := found.command("kube-scheduler"); filepath.Dir(program) == assets || !slices.Equal(arguments, []string{"kube-scheduler"}) {
		t.Errorf("the scheduler is %s %v", program, arguments)
	}
}

func alive(pid int) bool {
	return syscall.Kill(pid, 0) == nil
}
