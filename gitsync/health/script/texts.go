package script

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// texts are the functions of the library string.
func (l library) texts() map[string]lua.LGFunction {
	changed := func(change func(string) string) lua.LGFunction {
		return func(state *lua.LState) int {
			subject := l.subject(state)
			state.Push(lua.LString(change(subject)))
			return 1
		}
	}
	return map[string]lua.LGFunction{
		"byte": l.byte, "char": l.char, "rep": l.rep, "sub": l.sub, "format": l.format,
		"find": l.find, "match": l.match, "gmatch": l.gmatch, "gsub": l.gsub,
		"lower": changed(strings.ToLower), "upper": changed(strings.ToUpper), "reverse": changed(reversed),
		"len": func(state *lua.LState) int {
			state.Push(lua.LNumber(len(state.CheckString(1))))
			return 1
		},
	}
}

// subject gives the first argument and pays for a copy of it.
func (l library) subject(state *lua.LState) string {
	text := state.CheckString(1)
	l.meter.pay(state, len(text))
	return text
}

func reversed(text string) string {
	out := []byte(text)
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return string(out)
}

// span turns places that count from 1, or from the end if they are negative, into those of a slice.
func span(from, to, size int) (start, end int) {
	if from < 0 {
		from = max(1, size+from+1)
	}
	if to < 0 {
		to = size + to + 1
	}
	start, end = max(from, 1)-1, min(to, size)
	return min(start, size), max(min(start, size), end)
}

func (l library) byte(state *lua.LState) int {
	text := state.CheckString(1)
	from := state.OptInt(2, 1)
	start, end := span(from, state.OptInt(3, from), len(text))
	if end-start > registryMax/2 {
		state.RaiseError("string.byte gives at most %d numbers", registryMax/2)
	}
	for _, c := range []byte(text[start:end]) {
		state.Push(lua.LNumber(c))
	}
	return end - start
}

func (l library) char(state *lua.LState) int {
	out := make([]byte, state.GetTop())
	for i := range out {
		out[i] = byte(state.CheckInt(i + 1)) //nolint:gosec // a number out of range is cut off, as everywhere in the language
	}
	state.Push(lua.LString(out))
	return 1
}

func (l library) rep(state *lua.LState) int {
	text, n := state.CheckString(1), state.CheckInt(2)
	if n <= 0 || text == "" {
		state.Push(lua.LString(""))
		return 1
	}
	if n > maxBytes/len(text) {
		l.meter.pay(state, maxBytes+1)
	}
	l.meter.pay(state, n*len(text))
	state.Push(lua.LString(strings.Repeat(text, n)))
	return 1
}

func (l library) sub(state *lua.LState) int {
	text := state.CheckString(1)
	start, end := span(state.CheckInt(2), state.OptInt(3, -1), len(text))
	l.meter.pay(state, 0)
	state.Push(lua.LString(text[start:end]))
	return 1
}

// format fills in the verbs of the language; a width and a precision have at most two digits.
func (l library) format(state *lua.LState) int {
	pattern := l.subject(state)
	var out strings.Builder
	next := 2
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			out.WriteByte(pattern[i])
			continue
		}
		end := i + 1
		for end < len(pattern) && strings.IndexByte("-+ #0123456789.", pattern[end]) >= 0 {
			end++
		}
		if end == len(pattern) {
			state.RaiseError("string.format: the format ends with %q", pattern[i:])
		}
		flags, verb := pattern[i+1:end], pattern[end]
		i = end
		if verb == '%' {
			out.WriteByte('%')
			continue
		}
		if tooWide(flags) {
			state.RaiseError("string.format: a width or a precision in %q has more than two digits", pattern)
		}
		out.WriteString(l.verb(state, flags, verb, next))
		next++
	}
	l.meter.pay(state, out.Len())
	state.Push(lua.LString(out.String()))
	return 1
}

func tooWide(flags string) bool {
	for number := range strings.FieldsFuncSeq(flags, func(r rune) bool { return r < '0' || r > '9' }) {
		if len(strings.TrimLeft(number, "0")) > 2 {
			return true
		}
	}
	return false
}

func (l library) verb(state *lua.LState, flags string, verb byte, arg int) string {
	switch verb {
	case 'd', 'i', 'u':
		return fmt.Sprintf("%"+flags+"d", whole(state, arg))
	case 'x', 'X', 'o':
		return fmt.Sprintf("%"+flags+string(verb), whole(state, arg))
	case 'c':
		return string([]byte{byte(whole(state, arg))}) //nolint:gosec // as in string.char
	case 'e', 'E', 'f', 'g', 'G':
		return fmt.Sprintf("%"+flags+string(verb), float64(state.CheckNumber(arg)))
	case 'q':
		return strconv.Quote(state.CheckString(arg))
	case 's':
		text := state.ToStringMeta(state.CheckAny(arg)).String()
		l.meter.pay(state, len(text))
		return fmt.Sprintf("%"+flags+"s", text)
	}
	state.RaiseError("string.format: %%%c is no verb", verb)
	return ""
}

func whole(state *lua.LState, arg int) int64 {
	n := float64(state.CheckNumber(arg))
	if math.IsNaN(n) || math.Abs(n) > 1<<62 {
		state.RaiseError("string.format: argument %d is no whole number", arg)
	}
	return int64(n)
}

// search finds a pattern, and ends the run if that takes too much or the pattern is none.
func (l library) search(state *lua.LState, text, pattern string, from int) *match {
	found, err := find(text, pattern, from, func(steps int) error { return l.meter.take(steps, 0) })
	if err != nil {
		state.RaiseError("%s", err.Error())
	}
	return found
}

// captured gives what a match captured, or all of it if it captures nothing.
func captured(text string, m *match) []lua.LValue {
	if len(m.captures) == 0 {
		return []lua.LValue{lua.LString(text[m.start:m.end])}
	}
	values := make([]lua.LValue, len(m.captures))
	for i, c := range m.captures {
		if c.position {
			values[i] = lua.LNumber(c.start + 1)
		} else {
			values[i] = lua.LString(text[c.start:max(c.start, c.end)])
		}
	}
	return values
}

// startOf is the third argument of find and match as an index.
func startOf(state *lua.LState, size int) (start int, ok bool) {
	from := state.OptInt(3, 1)
	if from < 0 {
		from = max(1, size+from+1)
	}
	return max(from, 1) - 1, max(from, 1)-1 <= size
}

func (l library) find(state *lua.LState) int {
	text, pattern := state.CheckString(1), state.CheckString(2)
	start, ok := startOf(state, len(text))
	if !ok {
		state.Push(lua.LNil)
		return 1
	}
	if lua.LVAsBool(state.Get(4)) {
		l.meter.pay(state, len(text))
		at := strings.Index(text[start:], pattern)
		if at < 0 {
			state.Push(lua.LNil)
			return 1
		}
		state.Push(lua.LNumber(start + at + 1))
		state.Push(lua.LNumber(start + at + len(pattern)))
		return 2
	}
	found := l.search(state, text, pattern, start)
	if found == nil {
		state.Push(lua.LNil)
		return 1
	}
	state.Push(lua.LNumber(found.start + 1))
	state.Push(lua.LNumber(found.end))
	if len(found.captures) == 0 {
		return 2
	}
	return 2 + push(state, captured(text, found))
}

func push(state *lua.LState, values []lua.LValue) int {
	for _, v := range values {
		state.Push(v)
	}
	return len(values)
}

func (l library) match(state *lua.LState) int {
	text, pattern := state.CheckString(1), state.CheckString(2)
	start, ok := startOf(state, len(text))
	if ok {
		if found := l.search(state, text, pattern, start); found != nil {
			return push(state, captured(text, found))
		}
	}
	state.Push(lua.LNil)
	return 1
}

func (l library) gmatch(state *lua.LState) int {
	text, pattern := state.CheckString(1), state.CheckString(2)
	next := 0
	state.Push(state.NewFunction(func(state *lua.LState) int {
		if next > len(text) {
			state.Push(lua.LNil)
			return 1
		}
		found := l.search(state, text, pattern, next)
		if found == nil {
			next = len(text) + 1
			state.Push(lua.LNil)
			return 1
		}
		next = found.end
		if found.end == found.start {
			next++
		}
		return push(state, captured(text, found))
	}))
	return 1
}

func (l library) gsub(state *lua.LState) int {
	text, pattern := state.CheckString(1), state.CheckString(2)
	with, most := state.CheckAny(3), state.OptInt(4, math.MaxInt)
	var out strings.Builder
	at, n := 0, 0
	for n < most {
		found := l.search(state, text, pattern, at)
		if found == nil {
			break
		}
		n++
		replacement := l.replacement(state, text, found, with)
		l.meter.pay(state, found.start-at+len(replacement))
		out.WriteString(text[at:found.start])
		out.WriteString(replacement)
		at = found.end
		if found.end == found.start {
			if at == len(text) {
				break
			}
			out.WriteByte(text[at])
			at++
		}
		if strings.HasPrefix(pattern, "^") || at > len(text) {
			break
		}
	}
	l.meter.pay(state, len(text)-at)
	out.WriteString(text[min(at, len(text)):])
	state.Push(lua.LString(out.String()))
	state.Push(lua.LNumber(n))
	return 2
}

// replacement gives what stands in for a match: a text with %1 and the like, what a table holds, or what a function answers.
func (l library) replacement(state *lua.LState, text string, found *match, with lua.LValue) string {
	values := captured(text, found)
	var answer lua.LValue
	switch with := with.(type) {
	case lua.LString, lua.LNumber:
		return l.filled(state, lua.LVAsString(with), text[found.start:found.end], values)
	case *lua.LTable:
		answer = state.GetTable(with, values[0])
	case *lua.LFunction:
		state.Push(with)
		state.Call(push(state, values), 1)
		answer = state.Get(-1)
		state.Pop(1)
	default:
		state.RaiseError("string.gsub replaces with a text, a table or a function, not with a %s", with.Type())
	}
	if lua.LVIsFalse(answer) {
		return text[found.start:found.end]
	}
	switch answer.(type) {
	case lua.LString, lua.LNumber:
		return lua.LVAsString(answer)
	}
	state.RaiseError("string.gsub: a replacement is a text, not a %s", answer.Type())
	return ""
}

func (l library) filled(state *lua.LState, with, all string, values []lua.LValue) string {
	if !strings.Contains(with, "%") {
		return with
	}
	var out strings.Builder
	for i := 0; i < len(with); i++ {
		if with[i] != '%' || i+1 == len(with) {
			out.WriteByte(with[i])
			continue
		}
		i++
		switch c := with[i]; {
		case c == '0':
			out.WriteString(all)
		case isDigit(c):
			if int(c-'1') >= len(values) {
				state.RaiseError("string.gsub: the pattern has no capture %%%c", c)
			}
			out.WriteString(lua.LVAsString(values[c-'1']))
		default:
			out.WriteByte(c)
		}
		if out.Len() > maxBytes {
			l.meter.pay(state, out.Len())
		}
	}
	return out.String()
}
