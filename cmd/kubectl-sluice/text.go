package main

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"github.com/sluice-delivery/sluice/console/view"
)

// style is how a piece of text stands out on a terminal; elsewhere it has no effect.
type style string

// Styles are the parameters of the terminal's escape sequence.
const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	green  style = "32"
	yellow style = "33"
	red    style = "31"
	cyan   style = "36"
)

// styleOf is the colour of a tone.
func styleOf(t view.Tone) style {
	return map[view.Tone]style{
		view.ToneGood: green, view.ToneBusy: cyan, view.TonePaused: yellow, view.ToneUnsure: yellow, view.ToneBad: red, view.ToneIdle: dim,
	}[t]
}

// signOf is the sign of a tone, so that no state is told by colour alone.
func signOf(t view.Tone) string {
	return map[view.Tone]string{
		view.ToneGood: "✔", view.ToneBusy: "◌", view.TonePaused: "‖", view.ToneUnsure: "?", view.ToneBad: "✖", view.ToneIdle: "·",
	}[t]
}

// span is a piece of text in one style. Make it with text, which cleans.
type span struct {
	text  string
	style style
}

// line is one line of a screen.
type line []span

// text makes a line of one piece from words that may come from anybody.
func text(s style, words string) line { return line{{clean(words), s}} }

// state is the sign and the word of a state.
func state(t view.Tone, word string) line {
	if word == "" {
		return nil
	}
	return text(styleOf(t), signOf(t)+" "+word)
}

// clean makes foreign text harmless on a terminal: white space becomes a space, and every other character that is not printed,
// escape sequences and changes of direction among them, becomes visible as its escape.
func clean(words string) string {
	return cleanExcept(words, func(rune) bool { return false })
}

// cleanLines is clean for texts of several lines.
func cleanLines(words string) string {
	return cleanExcept(words, func(r rune) bool { return r == '\n' })
}

func cleanExcept(words string, keep func(rune) bool) string {
	var b strings.Builder
	for _, r := range words {
		switch {
		case keep(r) || unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// columns is the number of columns that a rune takes.
func columns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func (l line) width() int {
	n := 0
	for _, s := range l {
		for _, r := range s.text {
			n += columns(r)
		}
	}
	return n
}

// fit cuts a line to a number of columns and marks the cut; 0 means no limit.
func (l line) fit(most int) line {
	if most <= 0 || l.width() <= most {
		return l
	}
	left := most - 1
	var cut line
	for _, s := range l {
		for i, r := range s.text {
			if left -= columns(r); left < 0 {
				return append(cut, span{s.text[:i] + "…", s.style})
			}
		}
		cut = append(cut, s)
	}
	return cut
}

// pad fills a line with spaces up to a number of columns.
func (l line) pad(least int) line {
	if missing := least - l.width(); missing > 0 {
		return append(append(line{}, l...), span{strings.Repeat(" ", missing), plain})
	}
	return l
}

// paint writes a line out, with colours or without. White space takes the colour of what stands before it, which saves sequences.
func (l line) paint(colour bool) string {
	var b strings.Builder
	now := plain
	for _, s := range l {
		if colour && s.style != now && strings.TrimSpace(s.text) != "" {
			if now != plain {
				b.WriteString("\x1b[0m")
			}
			if now = s.style; now != plain {
				b.WriteString("\x1b[" + string(now) + "m")
			}
		}
		b.WriteString(s.text)
	}
	painted := strings.TrimRight(b.String(), " ")
	if now != plain {
		painted += "\x1b[0m"
	}
	return painted
}

// shorten cuts the middle out of a name, because its ends tell it from others.
func shorten(name string, most int) string {
	runes := []rune(name)
	if len(runes) <= most || most < 5 {
		return name
	}
	end := (most - 1) / 2
	return string(runes[:most-1-end]) + "…" + string(runes[len(runes)-end:])
}

// flow puts pieces behind a label, as many to a line as fit, and lines the rest up below the first; 0 means no limit.
func flow(label line, indent int, pieces []line, gap string, most int) []line {
	lines := []line{label.pad(indent)}
	at := 0 // pieces on the current line
	for _, p := range pieces {
		last := lines[len(lines)-1]
		if at > 0 && most > 0 && last.width()+len(gap)+p.width() > most {
			lines, at = append(lines, line{}.pad(indent)), 0
			last = lines[len(lines)-1]
		}
		if at > 0 {
			last = append(last, span{gap, plain})
		}
		lines[len(lines)-1] = append(last, p...)
		at++
	}
	for i := range lines {
		lines[i] = lines[i].fit(most)
	}
	return lines
}

// words are the pieces that a sentence may be broken into.
func words(s style, sentence string) []line {
	var all []line
	for _, w := range strings.Fields(clean(sentence)) {
		all = append(all, line{{w, s}})
	}
	return all
}

// row is one row of a table.
type row struct {
	cells []line
	// note stands behind the last cell where there is room, and otherwise on lines of its own that begin with lead.
	note string
	lead line
}

// mostNoteLines bounds what a note takes when it does not fit behind its row.
const mostNoteLines = 2

// table lines up cells in columns two spaces apart, cuts the last column to the width and leaves out columns that are empty throughout.
// A row of a single cell has no part in the columns.
func table(rows []row, most int) []line {
	var widest []int
	for _, r := range rows {
		for i, cell := range r.cells {
			if i == len(widest) {
				widest = append(widest, 0)
			}
			if len(r.cells) > 1 {
				widest[i] = max(widest[i], cell.width())
			}
		}
	}
	lines := make([]line, 0, len(rows))
	for _, r := range rows {
		var l line
		for i, cell := range r.cells {
			if widest[i] > 0 || len(r.cells) == 1 {
				l = append(l, cell.pad(widest[i]+2)...)
			}
		}
		lines = append(lines, r.annotated(l.trim(), most)...)
	}
	return lines
}

// annotated puts the note behind the finished row or below it.
func (r row) annotated(l line, most int) []line {
	if r.note == "" {
		return []line{l.fit(most)}
	}
	inline := append(append(line{}, l...), span{"  ", plain})
	inline = append(inline, text(plain, r.note)...)
	if most <= 0 || inline.width() <= most {
		return []line{inline}
	}
	indent := r.lead.width()
	below := flow(r.lead, indent, words(plain, r.note), " ", most)
	if len(below) > mostNoteLines {
		cut := append(below[mostNoteLines-1].fit(most-2), span{" …", plain})
		below = append(below[:mostNoteLines-1], cut)
	}
	for i := range below[1:] {
		below[i+1] = append(append(line{}, r.lead...), below[i+1].trimLeft(indent)...)
	}
	return append([]line{l.fit(most)}, below...)
}

// trimLeft drops the padding that flow put in front.
func (l line) trimLeft(padding int) line {
	if len(l) > 0 && l[0].text == strings.Repeat(" ", padding) {
		return l[1:]
	}
	return l
}

// trim drops trailing pieces that are only space, so that they do not count as width.
func (l line) trim() line {
	for len(l) > 0 && strings.TrimSpace(l[len(l)-1].text) == "" {
		l = l[:len(l)-1]
	}
	return l
}
