package script

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 3, 2, 9, 30, 5, 0, time.UTC)

// run compiles and runs a script that finds obj.
func run(t *testing.T, source string, obj any) (any, error) {
	t.Helper()
	p, err := Compile("test", source)
	if err != nil {
		return nil, err
	}
	return p.Run(Input{Globals: map[string]any{"obj": obj}, Now: now})
}

func TestAScriptJudgesAnObjectAsTeamsWroteIt(t *testing.T) {
	source := `
hs = {}
if obj.status ~= nil then
  if obj.status.conditions ~= nil then
    for i, condition in ipairs(obj.status.conditions) do
      if condition.type == "Ready" and condition.status == "False" then
        hs.status = "Degraded"
        hs.message = condition.message
        return hs
      end
      if condition.type == "Ready" and condition.status == "True" then
        hs.status = "Healthy"
        hs.message = condition.message
        return hs
      end
    end
  end
end
hs.status = "Progressing"
hs.message = "Waiting for " .. obj.kind .. " " .. obj.metadata.generation
return hs
`
	for name, c := range map[string]struct {
		obj  map[string]any
		want map[string]any
	}{
		"without a status": {
			map[string]any{"kind": "Certificate", "metadata": map[string]any{"generation": int64(3)}},
			map[string]any{"status": "Progressing", "message": "Waiting for Certificate 3"},
		},
		"with a condition": {
			map[string]any{"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False", "message": "no issuer"}}}},
			map[string]any{"status": "Degraded", "message": "no issuer"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := run(t, source, c.obj)
			if err != nil || !cmp.Equal(got, any(c.want)) {
				t.Errorf("%v %v", got, err)
			}
		})
	}
}

// The answers are those of Lua 5.1.
func TestScriptsFindTheLanguageAndItsLibraries(t *testing.T) {
	for source, want := range map[string]any{
		`return 1 + 2 * 3`:                                                                                              int64(7),
		`return 7 / 2`:                                                                                                  3.5,
		`return "a" .. 1 .. "b" .. 2.5`:                                                                                 "a1b2.5",
		`local t = {1, 2, 3}; t[#t + 1] = 4; return t`:                                                                  []any{int64(1), int64(2), int64(3), int64(4)},
		`local t = {x = 1}; local k = "y"; t[k] = 2; return t`:                                                          map[string]any{"x": int64(1), "y": int64(2)},
		`local t = {1, 2}; t[1], t[2] = t[2], t[1]; return t`:                                                           []any{int64(2), int64(1)},
		`local a, b = (function() return 1, 2 end)(); return {a, b}`:                                                    []any{int64(1), int64(2)},
		`local t = {}; local i = 1; i, t[i] = i + 1, 20; return {i, t[1] or 0}`:                                         []any{int64(2), int64(0)},
		`local s = 0; for i = 10, 1, -3 do s = s + i end; return s`:                                                     int64(22),
		`local s = ""; for k, v in ipairs({"a", "b"}) do s = s .. k .. v end; return s`:                                 "1a2b",
		`local i = 0; repeat i = i + 1 until i == 5; return i`:                                                          int64(5),
		`local f = function(...) return select("#", ...) end; return f(1, nil, 3)`:                                      int64(3),
		`return table.concat({1, 2, 3}, ", ")`:                                                                          "1, 2, 3",
		`local t = {3, 1, 2}; table.sort(t); return t`:                                                                  []any{int64(1), int64(2), int64(3)},
		`local t = {3, 1, 2}; table.sort(t, function(a, b) return a > b end); return t`:                                 []any{int64(3), int64(2), int64(1)},
		`local t = {1, 3}; table.insert(t, 2, 2); table.insert(t, 4); return t`:                                         []any{int64(1), int64(2), int64(3), int64(4)},
		`local t = {1, 2, 3}; local r = table.remove(t, 1); return {r, t[1], #t}`:                                       []any{int64(1), int64(2), int64(2)},
		`return table.getn({1, 2})`:                                                                                     int64(2),
		`return ("hello"):upper() .. string.len("ab") .. ("abc"):reverse() .. ("x"):rep(3)`:                             "HELLO2cbaxxx",
		`return {("hello"):sub(2, 3), ("hello"):sub(-3), ("hello"):sub(4, 2), ("hello"):sub(0)}`:                        []any{"el", "llo", "", "hello"},
		`return {("abc"):byte(), ("abc"):byte(-1), string.char(72, 105)}`:                                               []any{int64(97), int64(99), "Hi"},
		`return string.format("%s has %d of %.1f%%, %q, %5s|%-5s|%05d, %x", "web", 3, 99.5, "a\"b", "r", "l", 42, 255)`: `web has 3 of 99.5%, "a\"b",     r|l    |00042, ff`,
		`return {string.find("hello world", "o w")}`:                                                                    []any{int64(5), int64(7)},
		`return {string.find("a.b", ".", 1, true)}`:                                                                     []any{int64(2), int64(2)},
		`return {string.find("2026-03-02", "(%d+)-(%d+)")}`:                                                             []any{int64(1), int64(7), "2026", "03"},
		`return string.find("abc", "x") == nil`:                                                                         true,
		`return {string.match("  key = value  ", "^%s*(.-)%s*=%s*(.-)%s*$")}`:                                           []any{"key", "value"},
		`return string.match("v1.22.3", "v(%d+%.%d+)")`:                                                                 "1.22",
		`return string.match("f(a(b)c)d", "%b()")`:                                                                      "(a(b)c)",
		`return string.match("THE (quick) fox", "%f[%a]%a+%f[%A]")`:                                                     "THE",
		`return string.match("abcabc", "(abc)%1")`:                                                                      "abc",
		`return {string.match("hello", "()ll()")}`:                                                                      []any{int64(3), int64(5)},
		`return string.match("x]y", "[]]")`:                                                                             "]",
		`return string.match("a-b", "[%w-]+")`:                                                                          "a-b",
		`return string.match("éa", "[^a-z]+") ~= nil`:                                                                   true,
		`local t = {}; for k, v in string.gmatch("a=1, b=2", "(%w+)=(%w+)") do t[k] = v end; return t`:                  map[string]any{"a": "1", "b": "2"},
		`local n = 0; for _ in ("abc"):gmatch("") do n = n + 1 end; return n`:                                           int64(4),
		`return {string.gsub("hello world", "o", "0")}`:                                                                 []any{"hell0 w0rld", int64(2)},
		`return {string.gsub("hello world", "(%w+)", "<%1>", 1)}`:                                                       []any{"<hello> world", int64(1)},
		`return (string.gsub("$name is $age", "%$(%w+)", {name = "web", age = 3}))`:                                     "web is 3",
		`return (string.gsub("abc", "%w", function(c) if c == "b" then return "B" end end))`:                            "aBc",
		`return (string.gsub("abc", "", "-"))`:                                                                          "-a-b-c-",
		`return (string.gsub("aaa", "^a", "b"))`:                                                                        "baa",
		`return {math.floor(2.7), math.max(1, 5, 3), math.huge > 1e300}`:                                                []any{int64(2), int64(5), true},
		`return {tonumber("10"), tonumber("ff", 16), tostring(12), type(nil)}`:                                          []any{int64(10), int64(255), "12", "nil"},
		`local ok, err = pcall(error, "bad", 0); return {ok, err}`:                                                      []any{false, "bad"},
		`local t = setmetatable({}, {__index = function(_, k) return k .. "!" end}); return t.x`:                        "x!",
		`return os.date("!%Y-%m-%dT%XZ")`:                                                                               "2026-03-02T09:30:05Z",
		`return os.time{year = 2026, month = 3, day = 2, hour = 9, min = 30, sec = 5} == os.time()`:                     true,
		`return os.date("*t").yday`:                                                                                     int64(61),
		`return next({}) == nil and rawequal(1, 1) and rawget({a = 1}, "a") == 1`:                                       true,
		`local t = rawset({}, "a", 2); return t.a`:                                                                      int64(2),
		`local os = require("os"); return os.date("!%H")`:                                                               "09",
		`return pcall(require, "io")`:                                                                                   false,
		`print("for the author"); return {}`:                                                                            map[string]any{},
		`local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end; return fib(15)`:           int64(610),
		`local o = {n = 1}; function o:add(k) self.n = self.n + k; return self.n end; return o:add(2)`:                  int64(3),
		`goto done; do return 1 end ::done:: return 2`:                                                                  int64(2),
		`local t = {10, 20, nil, 40}; return t[4]`:                                                                      int64(40),
		`local t = {[1] = "a", ["b"] = "c", [2] = "d"}; return t[2] .. t.b`:                                             "dc",
		`return -2 ^ 2 == -4 and not (1 == 2) and 7 % 3 == 1`:                                                           true,
		"return [[a\nb]] == 'a\\nb'":                                                                                    true,
	} {
		got, err := run(t, source, nil)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, -Lua +ours:\n%s", source, diff)
		}
	}
}

func TestAScriptReachesNothingButItsObject(t *testing.T) {
	for _, name := range []string{
		"io", "debug", "package", "coroutine", "channel", "module", "load", "loadstring", "loadfile", "dofile", "getfenv", "setfenv",
		"collectgarbage", "newproxy", "_printregs", "_G", "os.execute", "os.exit", "os.getenv", "os.remove", "os.clock", "math.random", "string.dump",
	} {
		got, err := run(t, "return "+name+" == nil", nil)
		if err != nil || got != true {
			t.Errorf("%s is there: %v %v", name, got, err)
		}
	}
}

func TestAScriptDoesNotChangeTheObjectThatItIsGiven(t *testing.T) {
	obj := map[string]any{"spec": map[string]any{"list": []any{"a"}}}
	if _, err := run(t, `obj.spec.list[1] = "b"; obj.spec.new = true; return obj`, obj); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"spec": map[string]any{"list": []any{"a"}}}, obj); diff != "" {
		t.Error(diff)
	}
}

func TestAProgramRunsTheSameFromManySides(t *testing.T) {
	p, err := Compile("test", `count = (count or 0) + obj.n; return count`)
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan any)
	for range 8 {
		go func() {
			got, err := p.Run(Input{Globals: map[string]any{"obj": map[string]any{"n": int64(2)}}})
			if err != nil {
				got = err
			}
			results <- got
		}()
	}
	for range 8 {
		if got := <-results; got != int64(2) {
			t.Errorf("a run saw another: %v", got)
		}
	}
}

func TestHostileScriptsEndSoonAndTakeLittle(t *testing.T) {
	big := map[string]any{"text": strings.Repeat("a", 1<<20), "list": make([]any, 20_000)}
	for name, source := range map[string]string{
		"endless loop":                    `while true do end`,
		"endless repetition":              `repeat until false`,
		"endless counting":                `for i = 1, math.huge do end`,
		"swallowing the end":              `while true do pcall(function() while true do end end) end`,
		"swallowing the end in a handler": `local function f() xpcall(f, f) end while true do f() end`,
		"swallowing in depth":             `local function f() pcall(f) pcall(f) end f() while true do end`,
		"deep recursion":                  `local function f() return 1 + f() end return f()`,
		"endless tail calls":              `local function f() return f() end return f()`,
		"recursion through metatables":    `local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k .. "a"] end return t.x`,
		"a metatable that is its own":     `local t = {} t.__index = t setmetatable(t, t) return t.x.y`,
		"repetition bomb":                 `return ("x"):rep(2^40)`,
		"repetition bomb in steps":        `local s = "x" while true do s = s:rep(100) end`,
		"doubling":                        `local s = "x" while true do s = s .. s end`,
		"doubling by concat":              `local s = "x" while true do s = table.concat({s, s}) end`,
		"doubling by format":              `local s = "x" while true do s = string.format("%s%s", s, s) end`,
		"doubling by gsub":                `local s = "x" while true do s = s:gsub(".", "%0%0") end`,
		"a gsub that multiplies":          `return (("a"):rep(100000):gsub("a", ("b"):rep(100000)))`,
		"a wide format":                   `return string.format("%1000000000d", 1)`,
		"many tables":                     `local t = {} while true do t[#t + 1] = {} end`,
		"many tables in a literal":        `local t = {} for i = 1, 1e9 do t["a" .. i] = {{}, {}, {}, {}, {}, {}, {}, {}} end`,
		"many functions":                  `local t = {} for i = 1, 1e9 do t["a" .. i] = function() return i end end`,
		"a place far away":                `local t = {} t[60000000] = 1`,
		"a place far away in a literal":   `return {[60000000] = 1}`,
		"a place far away by rawset":      `rawset({}, 60000000, 1)`,
		"a place far away by insert":      `table.insert({}, 60000000, 1)`,
		"many places far away":            `local all = {} for i = 1, 1e9 do local t = {} t[4000] = 1 all["a" .. i] = t end`,
		"a list of empty places":          `local t = {} for i = 1, 4000 do t[i] = i end for i = 1, 4000 do t[i] = nil end while true do local n = #t end`,
		"unpack of a billion":             `return unpack({}, 1, 1e9)`,
		"many arguments":                  `local function f(...) return f(1, ...) end return f()`,
		"many results":                    `local t = {} for i = 1, 5000 do t[i] = i end local function f(n, ...) return f(n, unpack(t)), ... end return f(1, unpack(t))`,
		"a pattern that tries everything": `return (("a"):rep(5000) .. "b"):find("a*a*a*a*a*a*c")`,
		"a pattern in depth":              `return ("a"):rep(1e6):match(("a?"):rep(500) .. "c")`,
		"a long pattern":                  `return ("a"):find(("(a"):rep(5000))`,
		"captures in captures":            `return ("a"):find(("("):rep(100) .. "a" .. (")"):rep(100))`,
		"a sort that never agrees":        `local t = {} for i = 1, 2000 do t[i] = i end table.sort(t, function() return true end) while true do end`,
		"an error that is a table":        `error({code = 1})`,
		"an error that is long":           `error(("x"):rep(1e6))`,
		"an endless iterator":             `for _ in function() return 1 end do end`,
		"reading a long text":             `while true do local s = obj.text:upper() end`,
		"comparing long texts":            `while true do if obj.text .. "a" == obj.text .. "b" then return 1 end end`,
		"the end of a long list":          `while true do local n = #obj.list end`,
		"writing to the library":          `string.rep = nil string.format = function() return "mine" end while true do ("a"):lower() end`,
	} {
		t.Run(name, func(t *testing.T) {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := run(t, source, big)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("it succeeded")
			} else if len(err.Error()) > 1200 || strings.Contains(err.Error(), "\n") {
				t.Errorf("its error is too long: %.200s...", err)
			}
			if made := after.TotalAlloc - before.TotalAlloc; made > 160<<20 {
				t.Errorf("it made %d MiB of values", made>>20)
			}
			if took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestScriptsThatCannotBeReadAreRefusedWithTheirLine(t *testing.T) {
	for name, c := range map[string]struct{ source, want string }{
		"a syntax error":        {"hs = {}\nif then", "line:2"},
		"too long":              {strings.Repeat(" ", longestSource+1), "longer than"},
		"lists in lists":        {"return " + strings.Repeat("{", 100_000) + strings.Repeat("}", 100_000), "lie inside each other"},
		"functions in each":     {strings.Repeat("return function() ", 1000) + strings.Repeat(" end", 1000), "lie inside each other"},
		"a long sum":            {"return 1" + strings.Repeat("+ a", 50_000), "lie inside each other"},
		"nots upon nots":        {"return " + strings.Repeat("not ", 50_000) + "1", "lie inside each other"},
		"calls upon calls":      {"return f" + strings.Repeat("()", 50_000), "lie inside each other"},
		"ifs upon ifs":          {"if a then" + strings.Repeat(" elseif b then", 10_000) + " end", "lie inside each other"},
		"a goto to nowhere":     {"goto nowhere", "nowhere"},
		"too many locals":       {strings.Repeat("local a = 1\n", 300), ""},
		"something that is no ": {"\x00\xff\xfe", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile("test", c.source)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %.300v", err)
			}
		})
	}
}

func TestAnswersThatNoObjectCanHoldAreRefused(t *testing.T) {
	for name, source := range map[string]string{
		"a function":            `return {f = function() end}`,
		"a table in itself":     `local t = {} t.t = t return t`,
		"a list with names":     `return {1, 2, a = 3}`,
		"a list with gaps":      `local t = {1, 2} t[9] = 3 return t`,
		"keys that are no text": `return {[true] = 1}`,
		"no number":             `return 0 / 0`,
		"infinity":              `return {n = 1 / 0}`,
	} {
		if got, err := run(t, source, nil); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAnObjectOfExcessiveSizeIsNotGivenToAScript(t *testing.T) {
	deep := map[string]any{}
	for here, i := deep, 0; i < 200; i++ {
		next := map[string]any{}
		here["a"], here = next, next
	}
	wide := make([]any, maxNodes+1)
	for i := range wide {
		wide[i] = "x"
	}
	for name, obj := range map[string]any{"deep": deep, "wide": map[string]any{"list": wide}} {
		if _, err := run(t, `return {status = "Healthy"}`, obj); err == nil {
			t.Errorf("%s: it was", name)
		}
	}
}

func FuzzScriptsEnd(f *testing.F) {
	for _, seed := range []string{`return obj`, `hs = {} hs.status = "Healthy" return hs`, `return ("a"):rep(9):gsub("a", "b")`, `for k, v in pairs(obj) do print(k .. v) end`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		got, err := run(t, source, map[string]any{"kind": "Widget", "status": map[string]any{"list": []any{"a", int64(1), nil}}})
		if err == nil {
			if _, is := got.(error); is {
				t.Error("an error is no answer")
			}
		}
	})
}
