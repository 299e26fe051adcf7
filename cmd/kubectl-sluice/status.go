package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/console/view"
)

// Exit codes of status; 0 is healthy and exitError anything that kept it from knowing.
const (
	exitDegraded    = 2
	exitPaused      = 3
	exitProgressing = 4
)

func newStatus(s *session) *cobra.Command {
	var watch bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "status [rollout] NAME",
		Short: "Wait until a Rollout is healthy or degraded, and tell it by the exit code",
		Long: `Wait until a Rollout is healthy or degraded, and tell it by the exit code.

A paused Rollout is waited for, because a person or the end of the pause lets it go on.
With --watch=false, or once --timeout has passed, the code tells where it stands then:

  CODE  MEANING
  0     healthy
  1     it could not be found out: no such Rollout, no connection, wrong usage
  2     degraded: aborted, timed out or invalid
  3     paused
  4     still progressing`,
		Example: `  kubectl sluice status web --timeout 10m
  kubectl sluice status web --watch=false`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: s.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, name, err := parseTarget(args, "rollout")
			if err != nil {
				return err
			}
			return s.status(cmd.Context(), name, watch, timeout)
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", true, "Wait for the end of the update")
	cmd.Flags().DurationVarP(&timeout, "timeout", "t", 0, "Longest time to wait; 0 is without limit")
	return cmd
}

// errSettled ends the watch once there is an answer.
var errSettled = errors.New("settled")

func (s *session) status(ctx context.Context, name string, watch bool, timeout time.Duration) error {
	c, namespace, err := s.open()
	if err != nil {
		return err
	}
	limited := ctx
	if timeout > 0 {
		var stop context.CancelFunc
		limited, stop = context.WithTimeout(ctx, timeout)
		defer stop()
	}
	u := &standing{session: s, watch: watch}
	err = view.WatchAlone(limited, c, client.ObjectKey{Namespace: namespace, Name: name}, u.tell)
	switch {
	case errors.Is(err, errSettled):
		return verdict(u.phase)
	case limited.Err() == nil || ctx.Err() != nil: // it is not our limit that ended the watch
		return err
	case u.words == "":
		return fmt.Errorf("the cluster did not answer within %s", timeout)
	}
	if err := s.print([]line{text(plain, fmt.Sprintf("not settled after %s", timeout))}); err != nil {
		return err
	}
	return verdict(u.phase)
}

// standing is what a Rollout's status was said to be last.
type standing struct {
	*session
	watch bool
	phase v1alpha1.RolloutPhase
	words string
}

// tell prints a status that is new, and ends the watch with errSettled once there is nothing more to wait for.
func (u *standing) tell(r *v1alpha1.Rollout, _ error) error {
	phase, message := view.Phase(r)
	words := string(phase)
	if message != "" {
		words += ": " + message
	}
	if words != u.words {
		if err := u.print([]line{text(plain, words)}); err != nil {
			return err
		}
	}
	u.phase, u.words = phase, words
	if !u.watch || phase == v1alpha1.RolloutPhaseHealthy || phase == v1alpha1.RolloutPhaseDegraded {
		return errSettled
	}
	return nil
}

func verdict(phase v1alpha1.RolloutPhase) error {
	switch phase {
	case v1alpha1.RolloutPhaseHealthy:
		return nil
	case v1alpha1.RolloutPhaseDegraded:
		return &exit{exitDegraded}
	case v1alpha1.RolloutPhasePaused:
		return &exit{exitPaused}
	}
	return &exit{exitProgressing}
}
