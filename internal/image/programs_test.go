package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func gatherShell(t *testing.T, architecture string) (string, error) {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	g := &gathering{root: root, architecture: architecture, folders: libraryFolders("/etc"), done: map[string]bool{}}
	return root, g.program(shell, "/bin/sh")
}

func TestAProgramBringsItsLoaderAndItsLibraries(t *testing.T) {
	root, err := gatherShell(t, runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	err = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, entry.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	file, err := elf.Open(filepath.Join(root, "bin", "sh"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	names, err := file.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !slices.Contains(files, name) {
			t.Errorf("%s is missing from %v", name, files)
		}
	}
	if len(names) > 0 && !slices.ContainsFunc(files, func(name string) bool { return strings.HasPrefix(name, "ld-") }) {
		t.Errorf("there is no loader in %v", files)
	}
}

func TestAProgramOfAnotherArchitectureIsRefused(t *testing.T) {
	_, err := gatherShell(t, "mips")
	if err == nil || !strings.Contains(err.Error(), "the image for mips") {
		t.Errorf("error %v", err)
	}
}

func TestFoldersOfLibrariesAreThoseOfTheMachine(t *testing.T) {
	etc := t.TempDir()
	if err := os.MkdirAll(filepath.Join(etc, "ld.so.conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(etc, "ld.so.conf.d", "here.conf"), []byte("# a remark\n/opt/lib\n\ninclude other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := libraryFolders(etc), []string{"/opt/lib", "/lib64", "/usr/lib64", "/lib", "/usr/lib"}; !slices.Equal(got, want) {
		t.Errorf("folders %v", got)
	}
}
