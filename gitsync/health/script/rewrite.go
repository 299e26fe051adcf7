package script

import (
	"fmt"

	"github.com/yuin/gopher-lua/ast"
)

// Names of the functions that rewritten code calls. No script can write them, because they are no names in Lua.
const (
	fnJoin = "\x00join"
	fnSet  = "\x00set"
	fnKey  = "\x00key"
	fnLen  = "\x00len"
	// held is the start of the names of locals that hold the values of an assignment to several places.
	held = "\x00held"
)

// deepest is how many parts of a script may lie inside each other; each else-if is one.
const deepest = 400

// rewriter replaces what could take much in one instruction by calls that pay for it.
type rewriter struct {
	depth int
	err   error
}

func rewrite(chunk []ast.Stmt) ([]ast.Stmt, error) {
	r := &rewriter{}
	chunk = r.block(chunk)
	return chunk, r.err
}

// enter goes one level deeper and reports whether that is still allowed.
func (r *rewriter) enter() bool {
	r.depth++
	if r.depth > deepest && r.err == nil {
		r.err = fmt.Errorf("more than %d parts lie inside each other", deepest)
	}
	return r.err == nil
}

func (r *rewriter) block(stmts []ast.Stmt) []ast.Stmt {
	if !r.enter() {
		return stmts
	}
	defer func() { r.depth-- }()
	for i := range stmts {
		stmts[i] = r.stmt(stmts[i])
	}
	return stmts
}

func (r *rewriter) stmt(s ast.Stmt) ast.Stmt {
	switch s := s.(type) {
	case *ast.AssignStmt:
		s.Lhs, s.Rhs = r.targets(s.Lhs), r.exprs(s.Rhs)
		return assignment(s)
	case *ast.LocalAssignStmt:
		s.Exprs = r.exprs(s.Exprs)
	case *ast.FuncCallStmt:
		s.Expr = r.expr(s.Expr)
	case *ast.DoBlockStmt:
		s.Stmts = r.block(s.Stmts)
	case *ast.IfStmt:
		s.Condition, s.Then, s.Else = r.expr(s.Condition), r.block(s.Then), r.block(s.Else)
	case *ast.FuncDefStmt:
		s.Func.Stmts = r.block(s.Func.Stmts)
	case *ast.ReturnStmt:
		s.Exprs = r.exprs(s.Exprs)
	default:
		r.loop(s)
	}
	return s
}

func (r *rewriter) loop(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.WhileStmt:
		s.Condition, s.Stmts = r.expr(s.Condition), r.block(s.Stmts)
	case *ast.RepeatStmt:
		s.Condition, s.Stmts = r.expr(s.Condition), r.block(s.Stmts)
	case *ast.NumberForStmt:
		s.Init, s.Limit, s.Step, s.Stmts = r.expr(s.Init), r.expr(s.Limit), r.expr(s.Step), r.block(s.Stmts)
	case *ast.GenericForStmt:
		s.Exprs, s.Stmts = r.exprs(s.Exprs), r.block(s.Stmts)
	}
}

// targets rewrites what stands inside of the places that are assigned to, but not the places themselves.
func (r *rewriter) targets(list []ast.Expr) []ast.Expr {
	for _, e := range list {
		if at, ok := e.(*ast.AttrGetExpr); ok {
			at.Object, at.Key = r.expr(at.Object), r.expr(at.Key)
		}
	}
	return list
}

func (r *rewriter) exprs(list []ast.Expr) []ast.Expr {
	for i := range list {
		list[i] = r.expr(list[i])
	}
	return list
}

func (r *rewriter) expr(e ast.Expr) ast.Expr {
	if e == nil || !r.enter() {
		return e
	}
	defer func() { r.depth-- }()
	switch e := e.(type) {
	case *ast.StringConcatOpExpr:
		return call(fnJoin, e, r.joined(e)...)
	case *ast.UnaryLenOpExpr:
		return call(fnLen, e, r.expr(e.Expr))
	case *ast.AttrGetExpr:
		e.Object, e.Key = r.expr(e.Object), r.expr(e.Key)
	case *ast.TableExpr:
		r.fields(e)
	case *ast.FuncCallExpr:
		e.Func, e.Receiver, e.Args = r.expr(e.Func), r.expr(e.Receiver), r.exprs(e.Args)
	case *ast.FunctionExpr:
		e.Stmts = r.block(e.Stmts)
	default:
		r.operands(e)
	}
	return e
}

func (r *rewriter) operands(e ast.Expr) {
	switch e := e.(type) {
	case *ast.LogicalOpExpr:
		e.Lhs, e.Rhs = r.expr(e.Lhs), r.expr(e.Rhs)
	case *ast.RelationalOpExpr:
		e.Lhs, e.Rhs = r.expr(e.Lhs), r.expr(e.Rhs)
	case *ast.ArithmeticOpExpr:
		e.Lhs, e.Rhs = r.expr(e.Lhs), r.expr(e.Rhs)
	case *ast.UnaryMinusOpExpr:
		e.Expr = r.expr(e.Expr)
	case *ast.UnaryNotOpExpr:
		e.Expr = r.expr(e.Expr)
	}
}

// joined lists the operands of a chain of joins, which is one call however long it is.
func (r *rewriter) joined(e *ast.StringConcatOpExpr) []ast.Expr {
	var parts []ast.Expr
	for {
		parts = append(parts, single(r.expr(e.Lhs)))
		next, more := e.Rhs.(*ast.StringConcatOpExpr)
		if !more {
			return append(parts, single(r.expr(e.Rhs)))
		}
		e = next
	}
}

// single keeps a call from giving more than one value where it stands last among arguments.
func single(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		e.AdjustRet = true
	case *ast.Comma3Expr:
		e.AdjustRet = true
	}
	return e
}

func (r *rewriter) fields(e *ast.TableExpr) {
	for _, f := range e.Fields {
		if f.Key != nil {
			if f.Key = r.expr(f.Key); !isText(f.Key) {
				f.Key = call(fnKey, f.Key, f.Key)
			}
		}
		f.Value = r.expr(f.Value)
	}
}

func isText(e ast.Expr) bool {
	_, ok := e.(*ast.StringExpr)
	return ok
}

// assignment makes writing to a place with a computed key a call. Where several places are assigned to, the values are held first, so that
// two places can be swapped.
func assignment(s *ast.AssignStmt) ast.Stmt {
	computed := false
	for _, place := range s.Lhs {
		at, ok := place.(*ast.AttrGetExpr)
		computed = computed || ok && !isText(at.Key)
	}
	if !computed {
		return s
	}
	if len(s.Lhs) == 1 {
		return write(s, s.Lhs[0], s.Rhs[0])
	}
	names := make([]string, len(s.Lhs))
	for i := range names {
		names[i] = fmt.Sprint(held, i)
	}
	values := &ast.LocalAssignStmt{Names: names, Exprs: s.Rhs}
	values.SetLine(s.Line())
	values.SetLastLine(s.LastLine())
	block := &ast.DoBlockStmt{Stmts: []ast.Stmt{values}}
	block.SetLine(s.Line())
	block.SetLastLine(s.LastLine())
	for i, place := range s.Lhs {
		block.Stmts = append(block.Stmts, write(s, place, ident(names[i], s)))
	}
	return block
}

func write(s *ast.AssignStmt, place, value ast.Expr) ast.Stmt {
	if at, ok := place.(*ast.AttrGetExpr); ok && !isText(at.Key) {
		stmt := &ast.FuncCallStmt{Expr: call(fnSet, s, at.Object, at.Key, single(value))}
		stmt.SetLine(s.Line())
		stmt.SetLastLine(s.LastLine())
		return stmt
	}
	stmt := &ast.AssignStmt{Lhs: []ast.Expr{place}, Rhs: []ast.Expr{value}}
	stmt.SetLine(s.Line())
	stmt.SetLastLine(s.LastLine())
	return stmt
}

func call(name string, at ast.PositionHolder, args ...ast.Expr) ast.Expr {
	e := &ast.FuncCallExpr{Func: ident(name, at), Args: args, AdjustRet: true}
	e.SetLine(at.Line())
	e.SetLastLine(at.LastLine())
	return e
}

func ident(name string, at ast.PositionHolder) ast.Expr {
	e := &ast.IdentExpr{Value: name}
	e.SetLine(at.Line())
	e.SetLastLine(at.LastLine())
	return e
}
