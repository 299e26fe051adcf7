package process

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
	lastLines   = 25 // of what a program printed go into an error
)

// Process is one running program.
type Process struct {
	name    string
	log     string // path of what it prints
	command *exec.Cmd
	grace   time.Duration // between SIGTERM and SIGKILL
	ended   chan struct{} // closed once err is set
	err     error
}

// Start runs a command, and keeps what it prints in a file of its name in dir, which is its working folder too unless
// the command has another.
func Start(name, dir string, command *exec.Cmd) (*Process, error) {
	p := &Process{name: name, log: filepath.Join(dir, name+".log"), command: command, grace: 5 * time.Second, ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	if command.Dir == "" {
		command.Dir = dir
	}
	command.SysProcAttr = attributes()
	started := make(chan error)
	go func() {
		// The kernel ties a child's life to the thread that started it, so that thread must stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			p.err = command.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

// Ready waits until the probe succeeds. It fails at once if the program ends.
func (p *Process) Ready(ctx context.Context, probe func(context.Context) error) error {
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
			return fmt.Errorf("waiting for %s: %w (%w); %s", p.name, context.Cause(ctx), err, p.Story())
		case <-time.After(probeEvery):
		}
	}
}

// Stop ends the program. It is an error if the program had ended before, since nobody had asked it to.
func (p *Process) Stop() error {
	select {
	case <-p.ended:
		return p.died()
	default:
		return p.End()
	}
}

// End sees to it that the program does not run any more.
func (p *Process) End() error {
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

// Name is what Start was told.
func (p *Process) Name() string { return p.name }

// PID is the program's process id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Ended is closed when the program has ended, for whatever reason.
func (p *Process) Ended() <-chan struct{} { return p.ended }

func (p *Process) died() error {
	if p.err == nil {
		return fmt.Errorf("%s ended by itself; %s", p.name, p.Story())
	}
	return fmt.Errorf("%s ended by itself: %w; %s", p.name, p.err, p.Story())
}

// Story is the end of what the program printed, for an error.
func (p *Process) Story() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Sprintf("its log cannot be read: %v", err)
	}
	return "its log ends with:\n  " + strings.ReplaceAll(Tail(text, lastLines), "\n", "\n  ")
}

// Tail returns the last lines of a text.
func Tail(text []byte, count int) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
