package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Colours, as escape sequences of the terminal.
const (
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	plain  = "\x1b[0m"
)

// screen draws pictures in place.
type screen struct {
	out           *os.File
	columns, rows int
	drawn         int // lines
}

// terminal tells whether a file is one that a picture can be drawn on.
func terminal(out *os.File) bool {
	return term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb"
}

// size asks for the columns and rows that a picture may have. The last row stays free, because the cursor stands there.
func (s *screen) size() (columns, rows int) {
	columns, rows, err := term.GetSize(int(s.out.Fd()))
	if err != nil || columns < 20 || rows < 5 {
		columns, rows = 80, 24
	}
	return columns, rows - 1
}

// show replaces the picture by another. The terminal is told to wait until it is whole.
func (s *screen) show(lines []string) {
	columns, rows := s.size()
	var b strings.Builder
	b.WriteString("\x1b[?2026h\x1b[?25l")
	switch {
	case s.drawn > 0 && (columns != s.columns || rows != s.rows):
		b.WriteString("\x1b[H\x1b[2J") // the terminal may have broken the old lines anew
	case s.drawn > 0:
		fmt.Fprintf(&b, "\x1b[%dA\r", s.drawn)
	}
	lines = lines[:min(len(lines), rows)]
	for _, line := range lines {
		b.WriteString(fit(line, columns) + plain + "\x1b[K\n")
	}
	b.WriteString("\x1b[J\x1b[?2026l")
	fmt.Fprint(s.out, b.String())
	s.drawn, s.columns, s.rows = len(lines), columns, rows
}

// close gives the cursor back; the last picture stays.
func (s *screen) close() { fmt.Fprint(s.out, "\x1b[?25h") }

// fit cuts a line to a width. Colours take no room.
func fit(line string, columns int) string {
	var b strings.Builder
	for line != "" && columns > 0 {
		if strings.HasPrefix(line, "\x1b[") {
			end := strings.IndexByte(line, 'm') + 1
			b.WriteString(line[:end])
			line = line[end:]
			continue
		}
		r, n := utf8.DecodeRuneInString(line)
		b.WriteRune(r)
		line, columns = line[n:], columns-1
	}
	return b.String()
}

// cut shortens a value.
func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// uncoloured is a line for whatever is not a terminal.
func uncoloured(line string) string {
	return strings.TrimRight(colours.ReplaceAllString(line, ""), " ")
}
