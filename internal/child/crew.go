package child

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Limits bound a child.
type Limits struct {
	// What is done, for messages, such as "the rendering".
	What string
	// Time bounds one question.
	Time time.Duration
	// Memory and Output are in bytes.
	Memory uint64
	Output int
}

// restFor is how long a child waits for another question.
const restFor = 5 * time.Second

// Crew asks children of one command. One that has answered is asked again for a while, because starting the program takes longer than most
// answers do. The zero value is ready, and safe for concurrent use.
type Crew struct {
	mu      sync.Mutex
	resting []*worker
}

// worker is a child that runs.
type worker struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.Reader
	retire *time.Timer
}

// errDied is about a child that ended before it answered.
var errDied = errors.New("it ended without an answer")

// Ask gives the answer of a child as JSON. A child that was given a question before this one may have ended meanwhile; then another is asked.
func (c *Crew) Ask(ctx context.Context, command string, limits Limits, question any) ([]byte, error) {
	text, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	text = append(text, '\n') // without which a reader could not tell where a number ends
	ctx, cancel := context.WithTimeout(ctx, limits.Time)
	defer cancel()
	for {
		w := c.rested()
		fresh := w == nil
		if fresh {
			if w, err = start(command, limits); err != nil {
				return nil, fmt.Errorf("starting %s: %w", limits.What, err)
			}
		}
		answer, again, err := w.ask(ctx, text, limits)
		if err == nil && again {
			c.rest(w)
			return answer, nil
		}
		end := w.end()
		switch {
		case err == nil:
			return answer, nil
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return nil, fmt.Errorf("%s did not finish within %s", limits.What, limits.Time)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.Is(err, errDied):
			return nil, err
		case fresh:
			return nil, fmt.Errorf("%s failed or needed more than %d MiB: %w", limits.What, limits.Memory>>20, errors.Join(err, end))
		}
	}
}

// rested takes the child that answered last.
func (c *Crew) rested() *worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.resting) - 1
	if last < 0 {
		return nil
	}
	w := c.resting[last]
	c.resting = c.resting[:last]
	w.retire.Stop()
	return w
}

func (c *Crew) rest(w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resting = append(c.resting, w)
	w.retire = time.AfterFunc(restFor, func() {
		c.mu.Lock()
		at := slices.Index(c.resting, w)
		if at >= 0 {
			c.resting = slices.Delete(c.resting, at, at+1)
		}
		c.mu.Unlock()
		if at >= 0 {
			_ = w.end() // how it ends says nothing: it has answered
		}
	})
}

func start(command string, limits Limits) (*worker, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding our own program: %w", err)
	}
	w := &worker{cmd: exec.Command(program, command)}
	// No PATH and no other variable: what runs there knows nothing of this process.
	w.cmd.Env = []string{fmt.Sprintf("GOMEMLIMIT=%d", limits.Memory*3/4), "GOMAXPROCS=2"}
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if w.out, err = w.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	if err := limit(w.cmd.Process.Pid, limits.Memory); err != nil { // the child has read nothing yet
		return nil, errors.Join(err, w.end())
	}
	return w, nil
}

// ask tells also whether the child may be asked again.
func (w *worker) ask(ctx context.Context, question []byte, limits Limits) (answer []byte, again bool, err error) {
	stop := context.AfterFunc(ctx, w.kill)
	defer stop()
	if _, err := w.in.Write(question); err != nil {
		return nil, false, errDied
	}
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(w.out, header); err != nil {
		return nil, false, errDied
	}
	size := binary.BigEndian.Uint32(header)
	last := size&lastBit != 0
	if size &^= lastBit; int(size) > limits.Output {
		w.kill()
		return nil, false, fmt.Errorf("%s gave more than %d MiB", limits.What, limits.Output>>20)
	}
	answer = make([]byte, size)
	if _, err := io.ReadFull(w.out, answer); err != nil {
		return nil, false, errDied
	}
	return answer, stop() && !last, nil
}

// kill leaves it to the wait for the process to tell what came of it.
func (w *worker) kill() { _ = w.cmd.Process.Kill() }

// end ends a child and says how it ended.
func (w *worker) end() error {
	_ = w.in.Close() // it is read no more
	defer time.AfterFunc(time.Second, w.kill).Stop()
	return w.cmd.Wait()
}
