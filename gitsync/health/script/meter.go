package script

import (
	"context"
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// What one run may take.
const (
	maxSteps = 500_000
	// maxBytes bounds what is made in all, whether it is still held or not.
	maxBytes = 16 << 20
	// maxList is the highest place of a list that may be written to.
	maxList = 4096
	// listStep is what looking for the end of a list costs.
	listStep = 16
	// catchSteps is what catching errors costs, because the interpreter then writes down where it was.
	catchSteps = 200
)

// meter counts what a run takes. The interpreter looks at its context before each instruction, which is where instructions are counted; once
// the meter is spent every further instruction fails, so that no pcall can go on.
type meter struct {
	context.Context
	steps, bytes int
	// spent says what there was too much of.
	spent error
}

func newMeter() *meter {
	return &meter{Context: context.Background(), steps: maxSteps, bytes: maxBytes}
}

var ended = func() <-chan struct{} { c := make(chan struct{}); close(c); return c }()

// Done counts one instruction.
func (m *meter) Done() <-chan struct{} {
	if m.take(1, 0) != nil {
		return ended
	}
	return nil
}

// Err says why the run ended early.
func (m *meter) Err() error { return m.spent }

// take pays for work and for memory.
func (m *meter) take(steps, bytes int) error {
	m.steps -= steps
	m.bytes -= bytes
	if m.spent == nil && m.steps < 0 {
		m.spent = fmt.Errorf("the script takes more than %d steps", maxSteps)
	}
	if m.spent == nil && m.bytes < 0 {
		m.spent = fmt.Errorf("the script makes more than %d bytes of values", maxBytes)
	}
	return m.spent
}

// bytesOfStep is how much text is handled in the time of one instruction.
const bytesOfStep = 64

// pay takes what a text of some bytes costs, and ends the run if that is too much.
func (m *meter) pay(state *lua.LState, bytes int) {
	if err := m.take(1+bytes/bytesOfStep, bytes); err != nil {
		state.RaiseError("%s", err.Error())
	}
}
