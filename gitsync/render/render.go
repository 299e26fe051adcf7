package render

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "sigs.k8s.io/json"

	"github.com/sluice-delivery/sluice/gitsync"
)

const maxAnswer = 64 << 20

// Renderer renders in child processes. It is safe for concurrent use.
type Renderer struct {
	// Timeout bounds the rendering of one source.
	Timeout time.Duration
	// Memory bounds a child, in bytes.
	Memory uint64
}

// Render gives the manifests of all parts. The first part that cannot be rendered makes it fail, for half a desired state would prune.
func (r *Renderer) Render(ctx context.Context, request gitsync.RenderRequest) (gitsync.Rendering, error) {
	var all gitsync.Rendering
	for i, part := range request.Parts {
		if part.Source.Ref != "" && part.Source.Path == "" {
			return all, fmt.Errorf("source %d gives values by ref only, which needs Helm, which cannot be rendered yet", i)
		}
		a, err := r.part(ctx, part)
		if err != nil {
			return gitsync.Rendering{}, fmt.Errorf("rendering source %d: %w", i, err)
		}
		for _, o := range a.Objects {
			all.Objects = append(all.Objects, &unstructured.Unstructured{Object: o})
		}
		all.SourceTypes = append(all.SourceTypes, a.Type)
		all.Warnings = append(all.Warnings, a.Warnings...)
	}
	return all, nil
}

func (r *Renderer) part(ctx context.Context, part gitsync.RenderPart) (answer, error) {
	checkout, err := part.Fetch(ctx)
	if err != nil {
		return answer{}, err
	}
	defer checkout.Release()
	return r.ask(ctx, order{Root: checkout.Dir, Path: part.Source.Path, Source: part.Source})
}

func (r *Renderer) ask(ctx context.Context, o order) (answer, error) {
	program, err := os.Executable()
	if err != nil {
		return answer{}, fmt.Errorf("finding our own program: %w", err)
	}
	question, err := json.Marshal(o)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, command)
	// No PATH: kustomize then finds no git for remote bases.
	cmd.Env = []string{fmt.Sprintf("GOMEMLIMIT=%d", r.Memory*3/4), "GOMAXPROCS=2"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	out := &bounded{limit: maxAnswer, full: cancel}
	cmd.Stdout = out
	in, err := cmd.StdinPipe()
	if err != nil {
		return answer{}, err
	}
	if err := cmd.Start(); err != nil {
		return answer{}, fmt.Errorf("starting the rendering: %w", err)
	}
	// The child has read nothing yet. What is bounded is memory that can be written to; Go reserves far more address space than it uses.
	limited := errors.Join(unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: r.Memory, Max: r.Memory}, nil),
		unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{}, nil))
	if limited == nil {
		_, limited = in.Write(question)
	}
	err = errors.Join(limited, in.Close(), cmd.Wait())
	switch {
	case out.over:
		return answer{}, fmt.Errorf("the manifests are larger than %d MiB", maxAnswer>>20)
	case ctx.Err() != nil:
		return answer{}, fmt.Errorf("the rendering did not finish within %s: %w", r.Timeout, ctx.Err())
	case err != nil:
		return answer{}, fmt.Errorf("the rendering failed or needed more than %d MiB: %w", r.Memory>>20, err)
	}
	var a answer
	if err := utiljson.UnmarshalCaseSensitivePreserveInts(out.Bytes(), &a); err != nil {
		return answer{}, fmt.Errorf("reading the manifests: %w", err)
	}
	if a.Problem != "" {
		return answer{}, errors.New(a.Problem)
	}
	return a, nil
}

// bounded keeps the start of an output and calls full when there is more.
type bounded struct {
	bytes.Buffer
	limit int
	over  bool
	full  func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		b.over = true
		b.full()
		return len(p), nil
	}
	return b.Buffer.Write(p)
}
