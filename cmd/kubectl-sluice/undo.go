package main

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/verb"
)

func newUndo(s *session) *cobra.Command {
	var revision int64
	cmd := newAction(s, "undo", "Put the pod template of an earlier revision back", func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
		return verb.Undo(ctx, c, key, revision)
	})
	cmd.Flags().Int64Var(&revision, "to-revision", 0, "Revision to return to; 0 is the one before the current")
	return cmd
}
