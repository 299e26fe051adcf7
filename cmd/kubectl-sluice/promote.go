package main

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/verb"
)

func newPromote(s *session) *cobra.Command {
	var full bool
	cmd := newAction(s, "promote", "Go past the current step or pause", func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
		return verb.Promote(ctx, c, key, full)
	})
	cmd.Flags().BoolVar(&full, "full", false, "Skip every step, pause and analysis that remains")
	return cmd
}
