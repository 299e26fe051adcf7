package main

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/verb"
)

func newAbort(s *session) *cobra.Command {
	return newAction(s, "abort", "Send all traffic back to the stable revision", func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
		return verb.Abort(ctx, c, key)
	})
}
