package main

import (
	"github.com/spf13/cobra"

	"github.com/sluice-delivery/sluice/internal/build"
)

func newVersion(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this command",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return s.print([]line{text(plain, "kubectl-sluice "+build.Version())})
		},
	}
}
