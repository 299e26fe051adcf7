package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// tick is how often a picture on a terminal is drawn again, so that ages and countdowns go on. It asks the API server nothing.
const tick = time.Second

// screen shows pictures one after the other: in place on a terminal, one below the other elsewhere.
type screen struct {
	*session
	drawn   []line
	columns int
}

// Escape sequences of the terminal. The two marks let terminals that know them show a picture only once it is whole.
const (
	hideCursor  = "\x1b[?25l"
	showCursor  = "\x1b[?25h"
	clearScreen = "\x1b[H\x1b[2J"
	endOfLine   = "\x1b[K"
	endOfScreen = "\x1b[J"
	beginUpdate = "\x1b[?2026h"
	endUpdate   = "\x1b[?2026l"
)

// show replaces the picture on a terminal, or appends it.
func (s *screen) show(lines []line) error {
	columns, rows, terminal := s.size()
	if !terminal {
		return s.append(lines)
	}
	// A line that wraps or a picture that scrolls could not be drawn over.
	if most := rows - 1; len(lines) > most && most > 1 {
		lines = append(slices.Clone(lines[:most-1]), text(dim, fmt.Sprintf("… %d more lines: make the window higher", len(lines)-most+1)))
	}
	if columns == s.columns && slices.EqualFunc(s.drawn, lines, slices.Equal) {
		return nil
	}
	var b strings.Builder
	b.WriteString(beginUpdate + hideCursor)
	switch {
	case s.columns != 0 && columns != s.columns:
		b.WriteString(clearScreen) // the terminal may have broken the old lines anew
	case len(s.drawn) > 0:
		fmt.Fprintf(&b, "\x1b[%dA\r", len(s.drawn))
	}
	colour := s.colour()
	for _, l := range lines {
		b.WriteString(l.fit(columns).paint(colour) + endOfLine + "\n")
	}
	b.WriteString(endOfScreen + endUpdate)
	s.drawn, s.columns = lines, columns
	return s.write(b.String())
}

func (s *screen) append(lines []line) error {
	if slices.EqualFunc(s.drawn, lines, slices.Equal) {
		return nil
	}
	if s.drawn != nil {
		if err := s.write("\n"); err != nil {
			return err
		}
	}
	s.drawn = lines
	return s.print(lines)
}

// close gives the cursor back and leaves the last picture where it is.
func (s *screen) close() error {
	if s.columns == 0 {
		return nil
	}
	return s.write(showCursor)
}

func (s *screen) write(text string) error {
	if _, err := fmt.Fprint(s.out, text); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// news is what a watch tells: a state of the world, and why it may be out of date.
type news[T any] struct {
	state   T
	trouble error
}

// sight is something to look at, once or for as long as the user wants.
type sight[T any] struct {
	load  func(context.Context) (T, error)
	watch func(context.Context, func(T, error) error) error
	draw  func(T) ([]line, error)
}

// look draws a sight once, or follows it.
func look[T any](ctx context.Context, s *session, watching bool, of sight[T]) error {
	if watching {
		return follow(ctx, s, of.watch, of.draw)
	}
	state, err := of.load(ctx)
	if err != nil {
		return err
	}
	return s.show(of.draw(state))
}

// follow draws each state that watch tells of, and on a terminal the last one again at every tick, until watch ends with an error
// or the user has seen enough, which ends ctx and is no error.
func follow[T any](ctx context.Context, s *session, watch func(context.Context, func(T, error) error) error, draw func(T) ([]line, error)) (err error) {
	enough := ctx
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	told, ended := aside(ctx, watch)
	on := &screen{session: s}
	defer func() { err = errors.Join(err, on.close()) }()
	var ticks <-chan time.Time
	if _, _, terminal := s.size(); terminal {
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		ticks = ticker.C
	}
	var last *news[T]
	for {
		select {
		case n := <-told:
			last = &n
		case <-ticks:
		case <-enough.Done():
			return nil
		case err := <-ended:
			if enough.Err() != nil {
				return nil
			}
			return err
		}
		if err := redraw(on, last, draw); err != nil {
			return err
		}
	}
}

// aside runs a watch beside the caller, who gets what it tells and how it ended.
func aside[T any](ctx context.Context, watch func(context.Context, func(T, error) error) error) (<-chan news[T], <-chan error) {
	told, ended := make(chan news[T]), make(chan error, 1)
	go func() {
		ended <- watch(ctx, func(state T, trouble error) error {
			select {
			case told <- news[T]{state, trouble}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return told, ended
}

// redraw shows the last news; before the first there is nothing to show.
func redraw[T any](on *screen, last *news[T], draw func(T) ([]line, error)) error {
	if last == nil {
		return nil
	}
	lines, err := draw(last.state)
	if err != nil {
		return err
	}
	if last.trouble != nil {
		lines = append(lines, nil, text(red, "this may be out of date: "+last.trouble.Error()))
	}
	return on.show(lines)
}
