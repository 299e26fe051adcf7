package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Server is a program that is built from a Go module of its own and kept for every later use.
type Server struct {
	name    string   // of the binary
	about   string   // what it is and what building it costs, for people
	dir     string   // of the module
	target  string   // package to build
	flags   []string // for go build, besides the linker's
	stamped string   // the variable that receives the version of module, or empty
	module  string
}

// Servers lists what tests and the demo need, so that it can be built ahead of time.
func Servers() []Server {
	return []Server{controlPlane(), prometheus()}
}

func controlPlane() Server {
	return Server{
		name:   "controlplane",
		about:  "etcd and the Kubernetes control plane (four to eleven minutes on two cores)",
		dir:    filepath.Join(Repository(), "test", "controlplane"),
		target: ".",
		// Without a version the API server calls itself v0.0.0, and clients that compare versions refuse it.
		stamped: "k8s.io/component-base/version.gitVersion",
		module:  "k8s.io/kubernetes",
	}
}

func prometheus() Server {
	return Server{
		name:   "prometheus",
		about:  "Prometheus (one to three minutes on two cores)",
		dir:    filepath.Join(Repository(), "test", "prometheus"),
		target: "github.com/prometheus/prometheus/cmd/prometheus",
		flags:  []string{"-tags=remove_all_sd"},
	}
}

// Repository returns the root of the checkout that this package was compiled from. The modules of the servers cannot
// be embedded, because go:embed stops at a nested go.mod, and asking the go command would tie callers to a working
// directory; a build with -trimpath loses the path and is refused where it is first needed, by name.
func Repository() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Name returns the name of the binary.
func (s Server) Name() string { return s.name }

// Binary returns the path of the built server. It builds the server if no process of this user has done so yet for
// the same sources and platform, and tells progress how that goes; a process that comes second waits for the first.
func (s Server) Binary(ctx context.Context, progress io.Writer) (string, error) {
	key, err := s.key()
	if err != nil {
		return "", fmt.Errorf("reading the module of %s: %w", s.name, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a folder to keep %s in: %w", s.name, err)
	}
	dir := filepath.Join(cache, "sluice", "bin")
	path := filepath.Join(dir, s.name+"-"+key)
	if built(path) {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making a folder to keep %s in: %w", s.name, err)
	}
	unlock, err := lock(ctx, filepath.Join(dir, "build.lock"), progress)
	if err != nil {
		return "", fmt.Errorf("waiting to build %s: %w", s.name, err)
	}
	defer unlock()
	if built(path) {
		return path, nil
	}
	if err := s.build(ctx, path+".tmp", progress); err != nil {
		return "", fmt.Errorf("building %s: %w", s.name, err)
	}
	// A binary appears under its name only when it is whole.
	return path, os.Rename(path+".tmp", path)
}

func built(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// key names a build by all that decides what comes out of it, but not by where the checkout lies.
func (s Server) key() (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, runtime.GOOS, runtime.GOARCH, s.target, s.flags, s.stamped)
	sources, err := filepath.Glob(filepath.Join(s.dir, "*.go"))
	if err != nil {
		return "", err
	}
	for _, file := range append(sources, filepath.Join(s.dir, "go.mod"), filepath.Join(s.dir, "go.sum")) {
		content, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%w (this program must be compiled without -trimpath, and its checkout must stay)", err)
		}
		if err != nil {
			return "", err
		}
		fmt.Fprintln(hash, filepath.Base(file), len(content))
		hash.Write(content)
	}
	return fmt.Sprintf("%x", hash.Sum(nil)[:8]), nil
}

func (s Server) build(ctx context.Context, output string, progress io.Writer) error {
	start := time.Now()
	fmt.Fprintf(progress, "building %s, once; it is kept as %s\n", s.about, strings.TrimSuffix(output, ".tmp"))
	linker := "-s -w"
	if s.stamped != "" {
		version, err := s.command(ctx, "list", "-m", "-f", "{{.Version}}", s.module).Output()
		if err != nil {
			return fmt.Errorf("asking for the version of %s: %w", s.module, describe(err))
		}
		linker += " -X " + s.stamped + "=" + strings.TrimSpace(string(version))
	}
	arguments := append([]string{"build", "-v", "-o", output, "-ldflags", linker}, s.flags...)
	command := s.command(ctx, append(arguments, s.target)...)
	report := &reporter{start: start, out: progress}
	command.Stderr = report
	stop := report.every(10 * time.Second)
	err := command.Run()
	stop()
	if err != nil {
		return fmt.Errorf("%w; the go command said:\n%s", err, report.end())
	}
	fmt.Fprintf(progress, "built %s in %s\n", s.name, time.Since(start).Round(time.Second))
	return nil
}

// command runs the go command on the server's module alone. Without cgo the result depends on no C compiler.
func (s Server) command(ctx context.Context, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = s.dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	return command
}

// describe adds what a command wrote to its standard error to the error of running it.
func describe(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}

// lock takes a lock that the kernel gives back if this process dies.
func lock(ctx context.Context, path string, progress io.Writer) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	told := false
	err = wait.PollUntilContextCancel(ctx, 200*time.Millisecond, true, func(context.Context) (bool, error) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err == nil, err
		}
		if !told {
			fmt.Fprintln(progress, "waiting for another process that builds a server")
			told = true
		}
		return false, nil
	})
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { file.Close() }, nil
}
