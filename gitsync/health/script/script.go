package script

import (
	"errors"
	"fmt"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// longestSource is how many bytes of Lua one script may have.
const longestSource = 256 << 10

// What the interpreter itself may take, in values and in calls inside of each other.
const (
	registryStart = 256
	registryMax   = 8192
	callDepth     = 160
)

// Program is a script that can be run any number of times, at the same time too.
type Program struct {
	name  string
	proto *lua.FunctionProto
}

// Input is what one run sees.
type Input struct {
	// Globals are trees as JSON has them, by the names under which the script finds them.
	Globals map[string]any
	// Now is what os.time and os.date tell.
	Now time.Time
}

// Compile reads a script; the name stands in its errors.
func Compile(name, source string) (*Program, error) {
	if len(source) > longestSource {
		return nil, fmt.Errorf("the script is longer than %d bytes", longestSource)
	}
	chunk, err := parse.Parse(strings.NewReader(source), name)
	if err != nil {
		return nil, fmt.Errorf("reading the script: %w", oneLine(err))
	}
	if chunk, err = rewrite(chunk); err != nil {
		return nil, fmt.Errorf("reading the script: %w", err)
	}
	proto, err := compile(chunk, name)
	if err != nil {
		return nil, fmt.Errorf("compiling the script: %w", oneLine(err))
	}
	return &Program{name: name, proto: proto}, nil
}

// compile turns a panic of the compiler, such as for too many local variables, into an error.
func compile(chunk []ast.Stmt, name string) (proto *lua.FunctionProto, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("%v", problem)
		}
	}()
	return lua.Compile(chunk, name)
}

// Run gives what the script returns, as a tree that JSON could hold: nil, texts, numbers, true and false, lists and maps. A list that is empty
// cannot be told from a map that is, and is a map. An error says what the script did wrong or what it took too much of.
func (p *Program) Run(in Input) (any, error) {
	m := newMeter()
	state := lua.NewState(lua.Options{
		SkipOpenLibs: true, RegistrySize: registryStart, RegistryMaxSize: registryMax, RegistryGrowStep: registryStart,
		CallStackSize: callDepth, MinimizeStackMemory: true,
	})
	defer state.Close()
	state.SetContext(m)
	result, err := p.run(state, m, in)
	if m.spent != nil {
		return nil, m.spent // whatever the script made of it
	}
	if err != nil {
		return nil, oneLine(err)
	}
	return result, nil
}

func (p *Program) run(state *lua.LState, m *meter, in Input) (result any, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("the script failed: %v", problem)
		}
	}()
	open(state, m, in.Now)
	for name, tree := range in.Globals {
		value, err := toLua(state, m, tree)
		if err != nil {
			return nil, err
		}
		state.SetGlobal(name, value)
	}
	if err := state.CallByParam(lua.P{Fn: state.NewFunctionFromProto(p.proto), NRet: 1, Protect: true}); err != nil {
		return nil, err
	}
	return fromLua(state.Get(-1))
}

// oneLine is an error of the interpreter without the trace of calls, which is of no use in a status.
func oneLine(err error) error {
	var api *lua.ApiError
	if errors.As(err, &api) {
		if table, ok := api.Object.(*lua.LTable); ok && table != nil {
			return errors.New("the script raised a table as its error")
		}
		if api.Object != nil && api.Object != lua.LNil {
			return errors.New(firstLine(api.Object.String()))
		}
		if api.Cause != nil {
			return errors.New(firstLine(api.Cause.Error()))
		}
	}
	return errors.New(firstLine(err.Error()))
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	const longest = 1024
	if len(line) > longest {
		line = strings.ToValidUTF8(line[:longest], "") + "..."
	}
	return line
}
