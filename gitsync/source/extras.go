package source

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-delivery/sluice/gitsync"
)

// keySubmodules asks, in the Secret of a repository, for its submodules and for theirs. The wire contract has only enableLfs.
const keySubmodules = "enableSubmodules"

// nest is where a repository lies as a submodule of others; the zero nest is that of an Application's own source.
type nest struct {
	depth int
	// left is how many submodules may still be filled in.
	left *int
}

// extras are what Git only names, and a Secret asks for.
type extras struct {
	submodules, lfs bool
	nest            nest
}

func (g *runner) extras(in nest) extras {
	if in.left == nil {
		left := maxSubmodules
		in.left = &left
	}
	return extras{submodules: in.depth > 0 || g.credentials.data[keySubmodules] == "true", lfs: g.credentials.data["enableLfs"] == "true", nest: in}
}

func (x extras) any() bool { return x.submodules || x.lfs }

// String keeps apart the same commit with and without extras; that of none is empty.
func (x extras) String() (text string) {
	if x.submodules {
		text += " +submodules"
	}
	if x.lfs {
		text += " +lfs"
	}
	return text
}

// complete fills in extras once, for all who use the files.
func (r *Repositories) complete(ctx context.Context, want gitsync.Want, git *runner, e *export, extra extras) error {
	if !extra.any() {
		return nil
	}
	late := time.NewTimer(r.waits())
	defer late.Stop()
	select {
	case e.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the files of %s: %w", git.address.shown, ctx.Err())
	case <-late.C:
		return fmt.Errorf("waiting for the files of %s: %w", git.address.shown, &gitsync.UnreachableError{Cause: errHeldUp, Again: againAfter})
	}
	defer func() { <-e.turn }()
	if !e.missing {
		return nil
	}
	if extra.lfs {
		if err := e.fillPointers(ctx, git); err != nil {
			return fmt.Errorf("fetching the LFS objects of %s: %w", git.address.shown, err)
		}
	}
	whole := *e
	for _, m := range e.modules {
		if err := r.fillSubmodule(ctx, want, &whole, m, extra.nest); err != nil {
			return fmt.Errorf("fetching the submodule %s of %s: %w", m.path, git.address.shown, err)
		}
	}
	e.size, e.missing = whole.size, false
	return nil
}
