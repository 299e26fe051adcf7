package main

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/verb"
)

func newTerminate(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "terminate [analysisrun|experiment] NAME",
		Short: "End an analysis run or an experiment now",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, name, err := parseTarget(args, "analysisrun", "experiment")
			if err != nil {
				return err
			}
			return s.act(cmd.Context(), name, func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
				if kind == "experiment" {
					return verb.TerminateExperiment(ctx, c, key)
				}
				return verb.TerminateAnalysisRun(ctx, c, key)
			})
		},
	}
}
