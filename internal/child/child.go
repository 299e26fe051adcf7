package child

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Limits bound a child.
type Limits struct {
	// What is done, for messages, such as "the rendering".
	What string
	Time time.Duration
	// Memory and Output are in bytes.
	Memory uint64
	Output int
}

// Asked tells whether this process was started as a child for a command; main and TestMain must then do nothing but call Serve.
func Asked(command string) bool { return len(os.Args) == 2 && os.Args[1] == command }

// Serve answers the one question of a child and gives the exit code of the process.
func Serve[Q, A any](in io.Reader, out io.Writer, work func(Q) A) int {
	if err := cutNetwork(); err != nil {
		return 3
	}
	var question Q
	if err := json.NewDecoder(in).Decode(&question); err != nil {
		return 2
	}
	if err := json.NewEncoder(out).Encode(work(question)); err != nil {
		return 1
	}
	return 0
}

// Ask starts a child for a command and gives its answer as JSON.
func Ask(ctx context.Context, command string, limits Limits, question any) ([]byte, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding our own program: %w", err)
	}
	text, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, limits.Time)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, command)
	// No PATH and no other variable: what runs there knows nothing of this process.
	cmd.Env = []string{fmt.Sprintf("GOMEMLIMIT=%d", limits.Memory*3/4), "GOMAXPROCS=2"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	out := &bounded{limit: limits.Output, full: cancel}
	cmd.Stdout = out
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", limits.What, err)
	}
	limited := limit(cmd.Process.Pid, limits.Memory) // the child has read nothing yet
	if limited == nil {
		_, limited = in.Write(text)
	}
	err = errors.Join(limited, in.Close(), cmd.Wait())
	switch {
	case out.over:
		return nil, fmt.Errorf("%s gave more than %d MiB", limits.What, limits.Output>>20)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("%s did not finish within %s", limits.What, limits.Time)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%s failed or needed more than %d MiB: %w", limits.What, limits.Memory>>20, err)
	}
	return out.kept.Bytes(), nil
}

// bounded keeps the start of an output and calls full when there is more. The buffer is not embedded, because its ReadFrom would go past the limit.
type bounded struct {
	kept  bytes.Buffer
	limit int
	over  bool
	full  func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.kept.Len()+len(p) > b.limit {
		b.over = true
		b.full()
		return len(p), nil
	}
	return b.kept.Write(p)
}
