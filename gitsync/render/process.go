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

	utiljson "sigs.k8s.io/json"
)

const (
	// maxAnswer bounds the manifests of one source as JSON.
	maxAnswer = 32 << 20
	// maxProblem bounds what a template may say in a condition.
	maxProblem = 2000
)

// ask gives the answer of a child, as text.
func (r *Renderer) ask(ctx context.Context, o order) ([]byte, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding our own program: %w", err)
	}
	question, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	done, err := r.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	cmd := exec.CommandContext(ctx, program, command)
	// No PATH and no other variable: what runs there knows nothing of this process.
	cmd.Env = []string{fmt.Sprintf("GOMEMLIMIT=%d", r.Memory*3/4), "GOMAXPROCS=2"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	out := &bounded{limit: maxAnswer, full: cancel}
	cmd.Stdout = out
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the rendering: %w", err)
	}
	limited := limit(cmd.Process.Pid, r.Memory) // the child has read nothing yet
	if limited == nil {
		_, limited = in.Write(question)
	}
	err = errors.Join(limited, in.Close(), cmd.Wait())
	switch {
	case out.over:
		return nil, fmt.Errorf("the manifests are larger than %d MiB", maxAnswer>>20)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("the rendering did not finish within %s", r.Timeout)
	case err != nil:
		return nil, fmt.Errorf("the rendering failed or needed more than %d MiB: %w", r.Memory>>20, err)
	}
	return out.Bytes(), nil
}

func parse(text []byte) (answer, error) {
	var a answer
	if err := utiljson.UnmarshalCaseSensitivePreserveInts(text, &a); err != nil {
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
