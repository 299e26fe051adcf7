package main

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/verb"
)

func newRetry(s *session) *cobra.Command {
	return &cobra.Command{
		Use:               "retry [rollout|experiment] NAME",
		Short:             "Begin an aborted update, or an experiment that ended, again",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: s.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, name, err := parseTarget(args, "rollout", "experiment")
			if err != nil {
				return err
			}
			return s.act(cmd.Context(), name, func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
				if kind == "experiment" {
					return verb.RetryExperiment(ctx, c, key)
				}
				return verb.Retry(ctx, c, key)
			})
		},
	}
}
