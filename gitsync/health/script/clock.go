package script

import (
	"strconv"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// clock tells the moment of the run, in UTC, as often as it is asked.
type clock struct{ now time.Time }

// dates are the directives of os.date as layouts of Go.
var dates = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'c': "Mon Jan _2 15:04:05 2006", 'd': "02", 'D': "01/02/06", 'F': "2006-01-02", 'H': "15",
	'I': "03", 'm': "01", 'M': "04", 'p': "PM", 'S': "05", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST",
}

const longestFormat = 256

func (c clock) date(state *lua.LState) int {
	format, at := state.OptString(1, "%c"), c.now
	if state.GetTop() >= 2 {
		at = time.Unix(state.CheckInt64(2), 0).UTC()
	}
	format = strings.TrimPrefix(format, "!")
	if strings.HasPrefix(format, "*t") {
		state.Push(fields(state, at))
		return 1
	}
	if len(format) > longestFormat {
		state.RaiseError("os.date: the format has more than %d characters", longestFormat)
	}
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out.WriteByte(format[i])
			continue
		}
		i++
		switch layout, known := dates[format[i]]; {
		case known:
			out.WriteString(at.Format(layout))
		case format[i] == '%':
			out.WriteByte('%')
		case format[i] == 'j':
			out.WriteString(at.Format("002"))
		case format[i] == 'w':
			out.WriteString(strconv.Itoa(int(at.Weekday())))
		default:
			state.RaiseError("os.date: %%%c is no directive", format[i])
		}
	}
	state.Push(lua.LString(out.String()))
	return 1
}

func fields(state *lua.LState, at time.Time) *lua.LTable {
	table := state.NewTable()
	for name, value := range map[string]int{
		"year": at.Year(), "month": int(at.Month()), "day": at.Day(), "hour": at.Hour(), "min": at.Minute(), "sec": at.Second(),
		"wday": int(at.Weekday()) + 1, "yday": at.YearDay(),
	} {
		table.RawSetString(name, lua.LNumber(value))
	}
	table.RawSetString("isdst", lua.LFalse)
	return table
}

// time gives seconds since 1970, of now or of a table as os.date("*t") gives it.
func (c clock) time(state *lua.LState) int {
	if state.GetTop() == 0 || state.Get(1) == lua.LNil {
		state.Push(lua.LNumber(c.now.Unix()))
		return 1
	}
	table := state.CheckTable(1)
	field := func(name string, standard int) int {
		switch v := table.RawGetString(name).(type) {
		case lua.LNumber:
			return int(v)
		case lua.LString:
			if n, err := strconv.Atoi(strings.TrimSpace(string(v))); err == nil {
				return n
			}
		case *lua.LNilType:
			return standard
		}
		state.RaiseError("os.time: the field %s is no number", name)
		return 0
	}
	at := time.Date(field("year", c.now.Year()), time.Month(field("month", 1)), field("day", 1), field("hour", 12), field("min", 0), field("sec", 0), 0, time.UTC)
	state.Push(lua.LNumber(at.Unix()))
	return 1
}
