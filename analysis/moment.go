package analysis

import (
	"fmt"
	"time"

	"github.com/expr-lang/expr"
)

// Moment evaluates a bound of a range query, such as now() - duration("1h").
func Moment(source string, now time.Time) (time.Time, error) {
	env := map[string]any{
		"now":      func() time.Time { return now },
		"duration": time.ParseDuration,
	}
	if err := compiles(source, env); err != nil {
		return time.Time{}, err
	}
	program, err := expr.Compile(source, append(limits(env), meter()...)...)
	if err != nil {
		return time.Time{}, err
	}
	out, err := expr.Run(program, env)
	if err != nil {
		return time.Time{}, err
	}
	at, ok := out.(time.Time)
	if !ok {
		return time.Time{}, fmt.Errorf("expected a time, but got %T; write something like now() - duration(\"5m\")", out)
	}
	return at, nil
}
