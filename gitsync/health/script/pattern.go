package script

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of patterns.
const (
	longestPattern = 1024
	maxCaptures    = 32
)

// matcher finds a Lua pattern in a text. It tries what the language's manual describes and pays for every character that it looks at, which
// the matcher of the interpreter does not.
type matcher struct {
	text, pattern string
	pay           func(steps int) error
	captures      []capture
}

// capture is a part of a text; an open one has no end yet, and a position has no text.
type capture struct {
	start, end     int
	open, position bool
}

// match is where a pattern was found.
type match struct {
	start, end int
	captures   []capture
}

var errPattern = errors.New("malformed pattern")

// find gives the first match at or after a place; nil if there is none.
func find(text, pattern string, from int, pay func(steps int) error) (*match, error) {
	if len(pattern) > longestPattern {
		return nil, fmt.Errorf("a pattern has more than %d characters", longestPattern)
	}
	m := &matcher{text: text, pattern: pattern, pay: pay}
	start := 0
	anchored := strings.HasPrefix(pattern, "^")
	if anchored {
		start = 1
	}
	for at := from; at <= len(text); at++ {
		m.captures = m.captures[:0]
		end, err := m.match(at, start)
		if err != nil {
			return nil, err
		}
		if end >= 0 {
			return &match{at, end, append([]capture(nil), m.captures...)}, nil
		}
		if anchored {
			break
		}
	}
	return nil, nil
}

// nowhere is the end of a match that there is none of.
const nowhere = -1

// match matches the pattern from p on with the text from s on, and gives the end of the match, or nowhere.
func (m *matcher) match(s, p int) (int, error) {
	for p < len(m.pattern) {
		if err := m.pay(1); err != nil {
			return nowhere, err
		}
		switch {
		case m.pattern[p] == '(':
			return m.openCapture(s, p)
		case m.pattern[p] == ')':
			return m.closeCapture(s, p)
		case m.pattern[p:] == "$":
			if s == len(m.text) {
				return s, nil
			}
			return nowhere, nil
		}
		var last bool
		var err error
		if m.isSpecial(p) {
			s, p, err = m.special(s, p)
		} else {
			s, p, last, err = m.item(s, p)
		}
		if err != nil || s < 0 || last {
			return s, err
		}
	}
	return s, nil
}

// item matches a class and what is written after it. It gives where the text and the pattern go on, or nowhere; last says that the rest of the
// pattern has been matched as well.
func (m *matcher) item(s, p int) (next, after int, last bool, err error) {
	end, err := m.classEnd(p)
	if err != nil {
		return nowhere, 0, false, err
	}
	fits := m.one(s, p, end)
	suffix := byte(0)
	if end < len(m.pattern) {
		suffix = m.pattern[end]
	}
	switch suffix {
	case '?':
		if fits {
			if found, err := m.match(s+1, end+1); err != nil || found >= 0 {
				return found, 0, true, err
			}
		}
		return s, end + 1, false, nil
	case '-':
		found, err := m.seldom(s, p, end)
		return found, 0, true, err
	case '+', '*':
		found, err := m.often(s, p, end, suffix == '+')
		return found, 0, true, err
	}
	if !fits {
		return nowhere, 0, true, nil
	}
	return s + 1, end, false, nil
}

// seldom matches a class as few times as possible, so that the rest matches too.
func (m *matcher) seldom(s, p, end int) (int, error) {
	for {
		found, err := m.match(s, end+1)
		if err != nil || found >= 0 {
			return found, err
		}
		if err := m.pay(1); err != nil || !m.one(s, p, end) {
			return nowhere, err
		}
		s++
	}
}

// often matches a class as many times as possible, so that the rest matches too.
func (m *matcher) often(s, p, end int, once bool) (int, error) {
	n, least := 0, 0
	if once {
		least = 1
	}
	for m.one(s+n, p, end) {
		n++
	}
	if err := m.pay(1 + n); err != nil {
		return nowhere, err
	}
	for ; n >= least; n-- {
		if found, err := m.match(s+n, end+1); err != nil || found >= 0 {
			return found, err
		}
	}
	return nowhere, nil
}

func (m *matcher) openCapture(s, p int) (int, error) {
	if len(m.captures) == maxCaptures {
		return nowhere, fmt.Errorf("a pattern has more than %d captures", maxCaptures)
	}
	c := capture{start: s, end: s, open: true}
	if p+1 < len(m.pattern) && m.pattern[p+1] == ')' {
		c.open, c.position = false, true
		p++
	}
	m.captures = append(m.captures, c)
	n := len(m.captures)
	found, err := m.match(s, p+1)
	if found < 0 {
		m.captures = m.captures[:n-1]
	}
	return found, err
}

func (m *matcher) closeCapture(s, p int) (int, error) {
	for i := len(m.captures) - 1; i >= 0; i-- {
		if !m.captures[i].open {
			continue
		}
		m.captures[i].end, m.captures[i].open = s, false
		found, err := m.match(s, p+1)
		if found < 0 {
			m.captures[i].open = true
		}
		return found, err
	}
	return nowhere, fmt.Errorf("%w (a ) without its ()", errPattern)
}

// isSpecial reports whether %b, %f or a reference to a capture stands at p.
func (m *matcher) isSpecial(p int) bool {
	return m.pattern[p] == '%' && p+1 < len(m.pattern) && strings.IndexByte("bf0123456789", m.pattern[p+1]) >= 0
}

// special matches %b, %f and what a capture holds; it gives where the text and the pattern go on, or nowhere.
func (m *matcher) special(s, p int) (next, after int, err error) {
	switch m.pattern[p+1] {
	case 'b':
		if p+3 >= len(m.pattern) {
			return nowhere, 0, fmt.Errorf("%w (%%b needs two characters)", errPattern)
		}
		next, err = m.balanced(s, m.pattern[p+2], m.pattern[p+3])
		return next, p + 4, err
	case 'f':
		return m.frontier(s, p+2)
	}
	return m.again(s, p)
}

// frontier matches where a set begins to hold, without taking a character.
func (m *matcher) frontier(s, p int) (next, after int, err error) {
	if p >= len(m.pattern) || m.pattern[p] != '[' {
		return nowhere, 0, fmt.Errorf("%w (%%f needs a set)", errPattern)
	}
	end, err := m.classEnd(p)
	if err != nil {
		return nowhere, 0, err
	}
	before, here := byte(0), byte(0)
	if s > 0 {
		before = m.text[s-1]
	}
	if s < len(m.text) {
		here = m.text[s]
	}
	if m.inSet(before, p, end) || !m.inSet(here, p, end) {
		return nowhere, 0, nil
	}
	return s, end, nil
}

// again matches what a capture holds.
func (m *matcher) again(s, p int) (next, after int, err error) {
	i := int(m.pattern[p+1]) - '1'
	if i < 0 || i >= len(m.captures) || m.captures[i].open || m.captures[i].position {
		return nowhere, 0, fmt.Errorf("invalid capture index %%%c", m.pattern[p+1])
	}
	said := m.text[m.captures[i].start:m.captures[i].end]
	if !strings.HasPrefix(m.text[s:], said) {
		return nowhere, 0, nil
	}
	return s + len(said), p + 2, m.pay(1 + len(said)/bytesOfStep)
}

func (m *matcher) balanced(s int, opens, closes byte) (int, error) {
	if s >= len(m.text) || m.text[s] != opens {
		return nowhere, nil
	}
	depth := 1
	for i := s + 1; i < len(m.text); i++ {
		if err := m.pay(1); err != nil {
			return nowhere, err
		}
		switch m.text[i] {
		case closes:
			if depth--; depth == 0 {
				return i + 1, nil
			}
		case opens:
			depth++
		}
	}
	return nowhere, nil
}

// classEnd gives where the class ends that begins at p.
func (m *matcher) classEnd(p int) (int, error) {
	c := m.pattern[p]
	p++
	switch c {
	case '%':
		if p >= len(m.pattern) {
			return 0, fmt.Errorf("%w (ends with %%)", errPattern)
		}
		return p + 1, nil
	case '[':
		if p < len(m.pattern) && m.pattern[p] == '^' {
			p++
		}
		for first := true; p < len(m.pattern) && (first || m.pattern[p] != ']'); first = false {
			if m.pattern[p] == '%' {
				p++
			}
			p++
		}
		if p >= len(m.pattern) {
			return 0, fmt.Errorf("%w (missing ])", errPattern)
		}
		return p + 1, nil
	}
	return p, nil
}

// one reports whether the character at s is of the class between p and end.
func (m *matcher) one(s, p, end int) bool {
	if s >= len(m.text) {
		return false
	}
	c := m.text[s]
	switch m.pattern[p] {
	case '.':
		return true
	case '%':
		return ofClass(c, m.pattern[p+1])
	case '[':
		return m.inSet(c, p, end)
	}
	return c == m.pattern[p]
}

// inSet reports whether a character is in the set between p and end, brackets included.
func (m *matcher) inSet(c byte, p, end int) bool {
	set := m.pattern[p+1 : end-1]
	negated := strings.HasPrefix(set, "^")
	if negated {
		set = set[1:]
	}
	for i := 0; i < len(set); i++ {
		switch {
		case set[i] == '%' && i+1 < len(set):
			i++
			if ofClass(c, set[i]) {
				return !negated
			}
		case i+2 < len(set) && set[i+1] == '-':
			if set[i] <= c && c <= set[i+2] {
				return !negated
			}
			i += 2
		case set[i] == c:
			return !negated
		}
	}
	return negated
}

// classes holds the classes of the C locale.
var classes = map[byte]func(c byte) bool{
	'a': isLetter,
	'd': isDigit,
	'l': func(c byte) bool { return c >= 'a' && c <= 'z' },
	'u': func(c byte) bool { return c >= 'A' && c <= 'Z' },
	's': func(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' },
	'w': func(c byte) bool { return isLetter(c) || isDigit(c) },
	'c': func(c byte) bool { return c < ' ' || c == 0x7f },
	'p': func(c byte) bool { return c > ' ' && c < 0x7f && !isLetter(c) && !isDigit(c) },
	'x': func(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' },
	'z': func(c byte) bool { return c == 0 },
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// ofClass reports whether a character is of the class that a letter after % names; any other character stands for itself.
func ofClass(c, class byte) bool {
	in, known := classes[class|0x20]
	switch {
	case !known || !isLetter(class):
		return c == class
	case class >= 'A' && class <= 'Z':
		return !in(c)
	}
	return in(c)
}
