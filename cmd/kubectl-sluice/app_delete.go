package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/verb"
)

func newAppDelete(s *session) *cobra.Command {
	p := &picks{}
	var cascade, wait, yes bool
	var propagation string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete Applications and their resources",
		Long: `Delete Applications and their resources. --cascade=false leaves the resources where they are.

Where a selector and not names picks them, --yes is needed.` + waitCodes,
		Example: `  kubectl sluice app delete shop --wait
  kubectl sluice app delete shop --cascade=false`,
		ValidArgsFunction: s.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && p.any() {
				return errors.New("a selector may pick more than you think of: look with app list, then add --yes")
			}
			c, err := s.connect()
			if err != nil {
				return err
			}
			keys, err := p.keys(cmd.Context(), s, c, args)
			if err != nil {
				return err
			}
			for _, key := range keys {
				if err := s.tell(verb.DeleteApplication(cmd.Context(), c, key, cascade, propagation)); err != nil {
					return err
				}
			}
			if !wait {
				return nil
			}
			return s.waitAll(cmd.Context(), c, keys, &hope{deleted: true, timeout: timeout})
		},
	}
	p.bind(cmd)
	f := cmd.Flags()
	f.BoolVar(&cascade, "cascade", true, "Delete the resources too")
	f.StringVar(&propagation, "propagation-policy", "foreground", "How resources are deleted: foreground or background")
	f.BoolVar(&wait, "wait", false, "Wait until they are gone")
	f.BoolVarP(&yes, "yes", "y", false, "Go on though a selector picks what is deleted")
	bindTimeout(cmd, &timeout)
	return cmd
}

func newAppConfirm(s *session) *cobra.Command {
	return newAppAction(s, "confirm-deletion", "Let deletions go on that wait for a confirmation", func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
		return verb.ApproveDeletion(ctx, c, key, s.now())
	})
}
