package script

import (
	"errors"
	"fmt"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// Limits of what goes into a script and comes out of it.
const (
	maxNodes = 200_000
	maxDepth = 100
)

// nodeBytes is about what one value takes in the interpreter.
const nodeBytes = 48

// toLua makes a tree a value of the interpreter. What it takes is not the script's doing, so only its size is limited.
func toLua(state *lua.LState, m *meter, tree any) (lua.LValue, error) {
	in := &conversion{left: maxNodes}
	value := in.value(state, tree, 0)
	if in.err != nil {
		return nil, in.err
	}
	return value, m.take(0, (maxNodes-in.left)*nodeBytes)
}

type conversion struct {
	left int
	err  error
}

// count takes one value at a depth into account and reports whether to go on.
func (c *conversion) count(depth int) bool {
	if c.left--; c.err == nil && c.left < 0 {
		c.err = fmt.Errorf("the object has more than %d values", maxNodes)
	}
	if c.err == nil && depth > maxDepth {
		c.err = fmt.Errorf("the object has more than %d levels", maxDepth)
	}
	return c.err == nil
}

func (c *conversion) value(state *lua.LState, tree any, depth int) lua.LValue {
	if !c.count(depth) {
		return lua.LNil
	}
	switch v := tree.(type) {
	case nil:
		return lua.LNil
	case string:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case []any:
		table := state.CreateTable(len(v), 0)
		for i, item := range v {
			if value := c.value(state, item, depth+1); value != lua.LNil {
				table.RawSetInt(i+1, value)
			}
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(v))
		for key, item := range v {
			table.RawSetString(key, c.value(state, item, depth+1))
		}
		return table
	}
	c.err = fmt.Errorf("a value of type %T cannot be given to a script", tree)
	return lua.LNil
}

// fromLua makes a value of the interpreter a tree.
func fromLua(value lua.LValue) (any, error) {
	out := &conversion{left: maxNodes}
	tree := out.tree(value, 0)
	return tree, out.err
}

func (c *conversion) tree(value lua.LValue, depth int) any {
	if !c.count(depth) {
		return nil
	}
	switch v := value.(type) {
	case *lua.LNilType:
		return nil
	case lua.LBool:
		return bool(v)
	case lua.LString:
		return string(v)
	case lua.LNumber:
		if n := float64(v); n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int64(n)
		}
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			c.err = errors.New("the script returned a number that is none")
		}
		return float64(v)
	case *lua.LTable:
		return c.table(v, depth)
	}
	c.err = fmt.Errorf("the script returned a %s, which is no value of an object", value.Type())
	return nil
}

// table is a list if its keys are 1 to its length, and a map otherwise.
func (c *conversion) table(table *lua.LTable, depth int) any {
	n, all, named := table.Len(), 0, map[string]any{}
	table.ForEach(func(key, value lua.LValue) {
		all++
		if c.err != nil || n > 0 && key.Type() == lua.LTNumber {
			return
		}
		name, ok := key.(lua.LString)
		if !ok {
			c.err = fmt.Errorf("the script returned a table with the key %s, which is no text", firstLine(key.String()))
			return
		}
		named[string(name)] = c.tree(value, depth+1)
	})
	if n == 0 || c.err != nil {
		return named
	}
	if all != n {
		c.err = errors.New("the script returned a table that is both a list and a map, or a list with gaps")
		return nil
	}
	list := make([]any, n)
	for i := range list {
		list[i] = c.tree(table.RawGetInt(i+1), depth+1)
	}
	return list
}
