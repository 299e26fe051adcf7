package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	readyWithin = 2 * time.Minute // generous, for a machine that is busy with other things
	probeEvery  = 25 * time.Millisecond
)

// process is one running server.
type process struct {
	name    string
	log     string // path of what it prints
	command *exec.Cmd
	grace   time.Duration // between SIGTERM and SIGKILL
	ended   chan struct{} // closed once err is set
	err     error
}

// start runs a server in a folder that belongs to it, and keeps what it prints there.
func start(name, dir, binary string, arguments ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), grace: 5 * time.Second, ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer log.Close()
	p.command = exec.Command(binary, arguments...)
	p.command.Dir, p.command.Stdout, p.command.Stderr = dir, log, log
	p.command.SysProcAttr = attributes()
	started := make(chan error)
	go func() {
		// The kernel ties a child's life to the thread that started it, so that thread must stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.command.Start()
		started <- err
		if err == nil {
			p.err = p.command.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

// ready waits until the probe succeeds. It fails at once if the server ends.
func (p *process) ready(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, fmt.Errorf("not ready within %s", readyWithin))
	defer cancel()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return p.died()
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (%w); %s", p.name, context.Cause(ctx), err, p.story())
		case <-time.After(probeEvery):
		}
	}
}

// stop ends the server. It is an error if the server had ended before, since nobody had asked it to.
func (p *process) stop() error {
	select {
	case <-p.ended:
		return p.died()
	default:
		return p.end()
	}
}

// end sees to it that the server does not run any more.
func (p *process) end() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(p.grace):
	}
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", p.name, err)
	}
	<-p.ended
	return nil
}

func (p *process) died() error {
	if p.err == nil {
		return fmt.Errorf("%s ended by itself; %s", p.name, p.story())
	}
	return fmt.Errorf("%s ended by itself: %w; %s", p.name, p.err, p.story())
}

func (p *process) story() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Sprintf("its log cannot be read: %v", err)
	}
	return "its log ends with:\n  " + strings.ReplaceAll(tail(text, lastLines), "\n", "\n  ")
}
