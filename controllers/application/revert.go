package application

import (
	"context"
	"errors"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/sluice-delivery/sluice/gitsync"
)

// Reverter pushes commits that take back what a canary rejected.
type Reverter interface {
	// Revert gives the commit, which may be one that was pushed before. brought tells of a commit whose parent it is given whether it brought the
	// rejected manifest.
	Revert(ctx context.Context, want gitsync.Want, ask gitsync.Revert, brought func(ctx context.Context, parent string) (bool, error)) (by string, err error)
}

// rememberedReverts bounds what is remembered of an Application; the branch itself knows the rest.
const rememberedReverts = 10

// revert pushes what a plan that is stored asks for, and has the next pass tell what came of it.
func (c *Controller) revert(ctx context.Context, s *seen, plan gitsync.Plan, next ctrl.Result) ctrl.Result {
	for _, ask := range plan.Reverts {
		by, err := c.revertOne(ctx, s, ask)
		r := gitsync.Reverted{Held: ask.Held, Branch: ask.Branch, By: by, At: c.now()}
		if err != nil {
			r.Problem = err.Error()
		}
		s.memory.reverted(r)
		next = ctrl.Result{RequeueAfter: time.Millisecond}
	}
	return next
}

func (c *Controller) revertOne(ctx context.Context, s *seen, ask gitsync.Revert) (by string, err error) {
	brings := func(ctx context.Context, change gitsync.Change, before string) (bool, error) {
		m := c.load(ctx, s, s.Target.Sources, change.At(s.Target.Revisions, before), loading{})
		if m.Problem != "" {
			return false, errors.New(m.Problem)
		}
		return ask.Brings(s.Observation, m), nil
	}
	if ask, err = ask.Choose(func(change gitsync.Change) (bool, error) { return brings(ctx, change, change.Before) }); err != nil {
		return "", err
	}
	want := gitsync.Want{Project: s.Project, Source: ask.Source}
	return c.Reverter.Revert(ctx, want, ask, func(ctx context.Context, parent string) (bool, error) { return brings(ctx, ask.Change, parent) })
}

// reverted keeps what came of a revert instead of what came of an earlier attempt.
func (m *memory) reverted(r gitsync.Reverted) {
	kept := []gitsync.Reverted{r}
	for _, before := range m.reverts {
		if (before.Held != r.Held || before.Branch != r.Branch) && len(kept) < rememberedReverts {
			kept = append(kept, before)
		}
	}
	m.reverts = kept
}
