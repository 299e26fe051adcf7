package kubelet

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// outputKept is how much of the end of a process's output is kept, as much as a termination message may hold.
const outputKept = 4096

// startErrorCode is the exit code of a container whose process could not be started.
const startErrorCode = 128

// batch is the processes of a pod that runs to its end, one for each container.
type batch struct {
	kill     context.CancelFunc
	ended    chan struct{}
	taken    bool
	outcomes map[string]*corev1.ContainerStateTerminated
}

// startBatch starts all containers. A killed process is asked to end, and ended by force after grace.
func startBatch(ctx context.Context, pod *corev1.Pod, grace time.Duration) *batch {
	ctx, cancel := context.WithCancel(ctx)
	b := &batch{kill: cancel, ended: make(chan struct{}), outcomes: map[string]*corev1.ContainerStateTerminated{}}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		all.Go(func() {
			outcome := run(ctx, c, grace)
			mu.Lock()
			defer mu.Unlock()
			b.outcomes[c.Name] = outcome
		})
	}
	go func() {
		all.Wait()
		cancel()
		close(b.ended)
	}()
	return b
}

// news is readable once all processes have ended, until their outcomes were taken; never without a batch.
func (b *batch) news() <-chan struct{} {
	if b == nil || b.taken {
		return nil
	}
	return b.ended
}

// take waits for the end of all processes.
func (b *batch) take() map[string]*corev1.ContainerStateTerminated {
	<-b.ended
	b.taken = true
	return b.outcomes
}

// run plays one container to its end.
func run(ctx context.Context, c *corev1.Container, grace time.Duration) *corev1.ContainerStateTerminated {
	started := metav1.Now()
	code, output, err := execute(ctx, c, grace)
	end := &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: "Completed", Message: output, StartedAt: started, FinishedAt: metav1.Now(),
	}
	switch {
	case err != nil:
		end.Reason, end.Message = "StartError", err.Error()
	case code != 0:
		end.Reason = "Error"
	}
	return end
}

// execute returns the exit code and the end of the output, or why the command could not be started.
func execute(ctx context.Context, c *corev1.Container, grace time.Duration) (code int32, text string, err error) {
	if len(c.Command) == 0 {
		return startErrorCode, "", errors.New("the container has no command, and this world has no image to take one from")
	}
	dir, err := os.MkdirTemp("", "sluice-job-")
	if err != nil {
		return startErrorCode, "", err
	}
	// What a job leaves behind in its own folder is of no use to anybody.
	defer func() { _ = os.RemoveAll(dir) }()

	var output tail
	cmd := exec.CommandContext(ctx, c.Command[0], append(c.Command[1:len(c.Command):len(c.Command)], c.Args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	for _, e := range c.Env {
		cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
	}
	// A group of its own, so that what the command started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	// Zero would mean to wait without end.
	cmd.WaitDelay = max(grace, time.Millisecond)
	if err := cmd.Start(); err != nil {
		return startErrorCode, "", err
	}
	// How the process ended is in its state; an error without one is all that is left to look at.
	err = cmd.Wait()
	// Whoever is left of the group; that there is nobody is the usual case and no error.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if cmd.ProcessState == nil {
		return startErrorCode, "", err
	}
	return exitCode(cmd.ProcessState), string(output), nil
}

// exitCode follows the shell: 128 and the number of the signal that ended a process.
func exitCode(state *os.ProcessState) int32 {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int32(status.Signal())
	}
	return int32(state.ExitCode())
}

// tail keeps the end of what is written to it. exec has one goroutine write at a time and waits for it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if over := len(*t) - outputKept; over > 0 {
		*t = append((*t)[:0], (*t)[over:]...)
	}
	return len(p), nil
}
