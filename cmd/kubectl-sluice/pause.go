package main

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/verb"
)

func newPause(s *session) *cobra.Command {
	return newAction(s, "pause", "Stop the update at its current step until it is promoted", func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
		return verb.Pause(ctx, c, key)
	})
}
