package kube

import (
	"context"
	"errors"
	"fmt"
)

// Try makes one write of a plan; doing and name say which.
type Try func(doing, name string, write func() error)

// Attempts makes the writes of one plan, from first to last. Each rests on the observation alone, so a failed one does not keep the others from
// being made; problems gives all their errors together. A lost lease cancels ctx, and so ends the writing.
func Attempts(ctx context.Context) (try Try, problems func() error) {
	var all []error
	try = func(doing, name string, write func() error) {
		if ctx.Err() != nil {
			return
		}
		if err := write(); err != nil {
			all = append(all, fmt.Errorf("%s %s: %w", doing, name, err))
		}
	}
	return try, func() error { return errors.Join(append(all, ctx.Err())...) }
}
