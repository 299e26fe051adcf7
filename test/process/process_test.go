package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAProgramThatIgnoresTheRequestToEndIsKilled(t *testing.T) {
	p, err := Start("stubborn", t.TempDir(), exec.Command("/bin/sh", "-c", "trap '' TERM; echo listening; while :; do sleep 0.1; done"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(t.Context(), prints(p, "listening")); err != nil {
		t.Fatal(err)
	}
	p.grace = 100 * time.Millisecond
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if alive(p.PID()) {
		t.Error("it still runs")
	}
}

func TestAProgramThatEndedByItselfIsReportedWhenStopped(t *testing.T) {
	p, err := Start("fleeting", t.TempDir(), exec.Command("/bin/sh", "-c", "echo lost the lease; exit 1"))
	if err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "lost the lease") {
		t.Errorf("error is %v", err)
	}
}

func prints(p *Process, text string) func(context.Context) error {
	return func(context.Context) error {
		log, err := os.ReadFile(p.log)
		if err == nil && !strings.Contains(string(log), text) {
			err = errors.New("nothing printed yet")
		}
		return err
	}
}

func alive(pid int) bool {
	return syscall.Kill(pid, 0) == nil
}
