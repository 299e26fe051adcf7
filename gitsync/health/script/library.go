package script

import (
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// kept are the basic functions of the interpreter that can harm nobody; what they take is counted as the instructions around them are.
var kept = strings.Fields("assert error getmetatable ipairs next pairs pcall rawequal rawget select setmetatable tonumber tostring type unpack xpcall")

// keptMath are the functions on numbers, but for those that depend on chance.
var keptMath = strings.Fields("abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max min mod modf pi pow rad sin sinh sqrt tan tanh")

// library holds the functions that pay for what they take.
type library struct{ meter *meter }

// open gives a script its libraries.
func open(state *lua.LState, m *meter, now time.Time) {
	globals, _ := state.Get(lua.GlobalsIndex).(*lua.LTable)
	lua.OpenBase(state)
	only(globals, kept)
	for _, name := range []string{"pcall", "xpcall"} {
		if fn, ok := globals.RawGetString(name).(*lua.LFunction); ok {
			globals.RawSetString(name, state.NewFunction(dear(m, fn.GFunction)))
		}
	}
	lua.OpenMath(state)
	if math, ok := state.GetGlobal(lua.MathLibName).(*lua.LTable); ok {
		only(math, keptMath)
	}
	l := library{meter: m}
	for name, fn := range map[string]lua.LGFunction{
		fnJoin: l.join, fnSet: l.set, fnKey: l.key, fnLen: l.length, "rawset": l.rawSet,
		"print": func(*lua.LState) int { return 0 }, // what a script tells its author nobody reads here
	} {
		state.SetGlobal(name, state.NewFunction(fn))
	}
	module := func(functions map[string]lua.LGFunction) *lua.LTable {
		return state.SetFuncs(state.NewTable(), functions)
	}
	state.SetGlobal(lua.TabLibName, module(l.tables()))
	texts := module(l.texts())
	texts.RawSetString("__index", texts)
	state.SetGlobal(lua.StringLibName, texts)
	state.SetMetatable(lua.LString(""), texts)
	clock := clock{now.UTC()}
	state.SetGlobal(lua.OsLibName, module(map[string]lua.LGFunction{"time": clock.time, "date": clock.date}))
	state.SetGlobal("require", state.NewFunction(require))
	state.SetTop(0)
}

// dear makes a function cost what catching errors does.
func dear(m *meter, fn lua.LGFunction) lua.LGFunction {
	return func(state *lua.LState) int {
		if err := m.take(catchSteps, 0); err != nil {
			state.RaiseError("%s", err.Error())
		}
		return fn(state)
	}
}

// require gives the libraries that a script has anyway, because many scripts ask for os by it.
func require(state *lua.LState) int {
	name := state.CheckString(1)
	switch name {
	case lua.OsLibName, lua.StringLibName, lua.TabLibName, lua.MathLibName:
		state.Push(state.GetGlobal(name))
		return 1
	}
	state.RaiseError("there is no library %q; there are os, string, table and math", name)
	return 0
}

// only takes everything but some names out of a table.
func only(table *lua.LTable, names []string) {
	var gone []string
	table.ForEach(func(key, _ lua.LValue) {
		if name := key.String(); !slices.Contains(names, name) {
			gone = append(gone, name)
		}
	})
	for _, name := range gone {
		table.RawSetString(name, lua.LNil)
	}
}

// text gives an argument of a join or a table.concat as text.
func text(state *lua.LState, value lua.LValue) string {
	switch value.(type) {
	case lua.LString, lua.LNumber:
		return lua.LVAsString(value)
	}
	state.RaiseError("attempt to join a %s value with a text", value.Type())
	return ""
}

// join is what the operator .. became.
func (l library) join(state *lua.LState) int {
	parts := make([]string, state.GetTop())
	size := 0
	for i := range parts {
		parts[i] = text(state, state.Get(i+1))
		size += len(parts[i])
	}
	l.meter.pay(state, size)
	state.Push(lua.LString(strings.Join(parts, "")))
	return 1
}

// set is what writing to a computed key of a table became.
func (l library) set(state *lua.LState) int {
	l.reach(state, state.Get(1), state.Get(2))
	state.SetTable(state.Get(1), state.Get(2), state.Get(3))
	return 0
}

func (l library) rawSet(state *lua.LState) int {
	table := state.CheckTable(1)
	l.reach(state, table, state.CheckAny(2))
	state.RawSet(table, state.Get(2), state.CheckAny(3))
	state.SetTop(1)
	return 1
}

// key is what a computed key in the making of a table became.
func (l library) key(state *lua.LState) int {
	l.reach(state, lua.LNil, state.Get(1))
	state.SetTop(1)
	return 1
}

const cellBytes = 32

// reach pays for a place of a table, and for all the empty ones that come into being before it.
func (l library) reach(state *lua.LState, holder, key lua.LValue) {
	cells := 1
	if place, ok := key.(lua.LNumber); ok && place > 0 {
		if place > maxList {
			state.RaiseError("a list has at most %d items", maxList)
		}
		end := 0
		if table, ok := holder.(*lua.LTable); ok {
			end = table.Len()
		}
		cells = max(1, int(place)-end)
	}
	l.meter.pay(state, cells*cellBytes)
}

// length is what the operator # became.
func (l library) length(state *lua.LState) int {
	if err := l.meter.take(listStep, 0); err != nil {
		state.RaiseError("%s", err.Error())
	}
	switch value := state.Get(1).(type) {
	case lua.LString:
		state.Push(lua.LNumber(len(value)))
	case *lua.LTable:
		state.Push(lua.LNumber(value.Len()))
	default:
		state.RaiseError("attempt to get the length of a %s value", value.Type())
	}
	return 1
}

// tables are the functions of the library table.
func (l library) tables() map[string]lua.LGFunction {
	return map[string]lua.LGFunction{
		"concat": l.concat, "insert": l.insert, "remove": l.remove, "sort": l.sort, "getn": l.length,
		"maxn": func(state *lua.LState) int {
			l.meter.pay(state, listStep*bytesOfStep)
			state.Push(lua.LNumber(state.CheckTable(1).MaxN()))
			return 1
		},
	}
}

func (l library) concat(state *lua.LState) int {
	table, separator := state.CheckTable(1), state.OptString(2, "")
	from, to := state.OptInt(3, 1), state.OptInt(4, table.Len())
	if to-from >= maxList || to > maxList {
		state.RaiseError("a list has at most %d items", maxList)
	}
	var parts []string
	size := 0
	for i := from; i <= to; i++ {
		part := text(state, table.RawGetInt(i))
		size += len(part) + len(separator)
		parts = append(parts, part)
	}
	l.meter.pay(state, size+cellBytes*len(parts))
	state.Push(lua.LString(strings.Join(parts, separator)))
	return 1
}

func (l library) insert(state *lua.LState) int {
	table := state.CheckTable(1)
	end := table.Len() + 1
	place, value := end, state.Get(2)
	switch state.GetTop() {
	case 2:
	case 3:
		place, value = state.CheckInt(2), state.Get(3)
	default:
		state.RaiseError("table.insert takes a table, a place and a value")
	}
	if place < 1 || place > end || end > maxList {
		state.RaiseError("table.insert: the place %d is not in the list or just after it, or the list has more than %d items", place, maxList)
	}
	l.meter.pay(state, cellBytes+(end-place))
	if place == end {
		table.RawSetInt(place, value)
		return 0
	}
	table.Insert(place, value)
	return 0
}

func (l library) remove(state *lua.LState) int {
	table := state.CheckTable(1)
	end := table.Len()
	place := state.OptInt(2, end)
	l.meter.pay(state, cellBytes+max(0, end-place))
	if end == 0 || place < 1 || place > end {
		state.Push(lua.LNil)
		return 1
	}
	state.Push(table.Remove(place))
	return 1
}

// sort sorts by the comparison that is given, or in the order of texts and numbers.
func (l library) sort(state *lua.LState) int {
	table, less := state.CheckTable(1), state.OptFunction(2, nil)
	items := make([]lua.LValue, table.Len())
	for i := range items {
		items[i] = table.RawGetInt(i + 1)
	}
	l.meter.pay(state, cellBytes*len(items))
	before := func(a, b lua.LValue) bool {
		if err := l.meter.take(1, 0); err != nil {
			state.RaiseError("%s", err.Error())
		}
		if less == nil {
			return state.LessThan(a, b)
		}
		state.Push(less)
		state.Push(a)
		state.Push(b)
		state.Call(2, 1)
		answer := lua.LVAsBool(state.Get(-1))
		state.Pop(1)
		return answer
	}
	slices.SortFunc(items, func(a, b lua.LValue) int {
		switch {
		case before(a, b):
			return -1
		case before(b, a):
			return 1
		}
		return 0
	})
	for i, item := range items {
		table.RawSetInt(i+1, item)
	}
	return 0
}
