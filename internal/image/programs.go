package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// helpers are the programs of git that it starts by name to speak HTTP and HTTPS; all else that is needed is in git itself.
var helpers = []string{"git-remote-http", "git-remote-https"}

// machines tells for which architecture a program was made, in the words of Go.
var machines = map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_PPC64: "ppc64le", elf.EM_S390: "s390x", elf.EM_RISCV: "riscv64"}

// gathering copies programs of this machine, with the libraries that they load, into the folder of an image.
type gathering struct {
	root, architecture string
	// folders are where this machine keeps libraries.
	folders []string
	done    map[string]bool
}

// addPrograms brings what Git-sync starts: git, ssh, and the shell with which git starts ssh. The image has no package manager to bring them.
func addPrograms(root, architecture string) error {
	if runtime.GOOS != "linux" {
		return errors.New("git and ssh are taken from this machine, which must run Linux")
	}
	g := &gathering{root: root, architecture: architecture, folders: libraryFolders("/etc"), done: map[string]bool{}}
	for _, name := range []string{"git", "ssh", "sh"} {
		path, err := exec.LookPath(name)
		if err != nil {
			return fmt.Errorf("finding %s, which the image needs (install git and openssh-client): %w", name, err)
		}
		place := map[string]string{"sh": "/bin/sh"}[name]
		if place == "" {
			place = "/usr/bin/" + name
		}
		if err := g.program(path, place); err != nil {
			return err
		}
	}
	home, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return fmt.Errorf("asking git where its helpers are: %w", err)
	}
	for _, name := range helpers {
		path := filepath.Join(strings.TrimSpace(string(home)), name)
		if err := g.program(path, path); err != nil {
			return err
		}
	}
	// ssh refuses to work for a user without a name.
	return g.write("/etc/passwd", []byte("sluice:x:65532:65532::/tmp:/bin/sh\n"), 0o644)
}

// program copies a program, its loader, and what it loads.
func (g *gathering) program(path, place string) error {
	if err := g.copy(path, place); err != nil {
		return err
	}
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	defer file.Close()
	if machines[file.Machine] != g.architecture {
		return fmt.Errorf("%s is for %s and the image for %s: make the image on a machine of its architecture", path, file.Machine, g.architecture)
	}
	for _, part := range file.Progs {
		if part.Type != elf.PT_INTERP {
			continue
		}
		text := make([]byte, part.Filesz)
		if _, err := part.ReadAt(text, 0); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		loader := strings.TrimRight(string(text), "\x00")
		if err := g.copy(loader, loader); err != nil {
			return err
		}
	}
	return g.libraries(file, path)
}

// libraries copies what a program or a library loads into the folder in which every loader looks first, that of the C library.
func (g *gathering) libraries(file *elf.File, of string) error {
	names, err := file.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("reading what %s loads: %w", of, err)
	}
	for _, name := range names {
		if g.done[name] {
			continue
		}
		g.done[name] = true
		path, library, err := g.find(name, file.Machine)
		if err != nil {
			return fmt.Errorf("%s: %w", of, err)
		}
		err = errors.Join(g.copy(path, filepath.Join(g.libraryFolder(file.Machine), name)), g.libraries(library, path), library.Close())
		if err != nil {
			return err
		}
	}
	return nil
}

// find looks for a library of an architecture.
func (g *gathering) find(name string, machine elf.Machine) (string, *elf.File, error) {
	for _, folder := range g.folders {
		path := filepath.Join(folder, name)
		file, err := elf.Open(path)
		if err != nil {
			continue // it is not here
		}
		if file.Machine == machine {
			return path, file, nil
		}
		_ = file.Close() // it was only looked at
	}
	return "", nil, fmt.Errorf("the library %s is not in %s", name, strings.Join(g.folders, ", "))
}

func (g *gathering) libraryFolder(machine elf.Machine) string {
	path, file, err := g.find("libc.so.6", machine)
	if err != nil {
		return "/lib"
	}
	_ = file.Close() // it was only looked at
	return filepath.Dir(path)
}

// copy copies a file, not a link to it.
func (g *gathering) copy(path, place string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("copying a program: %w", err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("copying a program: %w", err)
	}
	return g.write(place, content, info.Mode().Perm())
}

func (g *gathering) write(place string, content []byte, mode fs.FileMode) error {
	file := filepath.Join(g.root, place)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, content, mode|0o200)
}

// libraryFolders lists the folders that the loader of this machine knows: the usual ones, and those of ld.so.conf.
func libraryFolders(etc string) []string {
	var folders []string
	files, err := filepath.Glob(filepath.Join(etc, "ld.so.conf.d", "*.conf"))
	if err != nil {
		files = nil // the pattern is a constant
	}
	for _, file := range append(files, filepath.Join(etc, "ld.so.conf")) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a machine without it has only the usual folders
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); filepath.IsAbs(line) {
				folders = append(folders, line)
			}
		}
	}
	// A folder that is named twice is looked into twice, which finds the same.
	return slices.Concat(folders, []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib"})
}
