package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/verb"
)

func newRestart(s *session) *cobra.Command {
	var in time.Duration
	cmd := newAction(s, "restart", "Replace all pods, a few at a time", func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
		return verb.Restart(ctx, c, key, s.now().Add(in))
	})
	cmd.Flags().DurationVarP(&in, "in", "i", 0, "Time to wait before the restart begins")
	return cmd
}
