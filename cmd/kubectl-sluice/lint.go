package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newLint(s *session) *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "lint -f FILE|FOLDER...",
		Short: "Find mistakes in manifests, without a cluster",
		Long: `Find mistakes in manifests, without a cluster.

Rollouts, Experiments, analysis templates, Applications, AppProjects and ApplicationSets are checked by the rules that the controller applies,
and for fields that do not exist; of the ConfigMap argocd-cm the settings that are not followed are told. Services and templates among the same
files are held against the Rollouts that name them. Other kinds are passed over.
Each mistake is one line, FILE:DOCUMENT: PATH: MESSAGE, and the exit code is 1 if there is any.`,
		Example: `  kubectl sluice lint -f rollout.yaml
  kustomize build . | kubectl sluice lint -f -
  kubectl get applications,appprojects,applicationsets -A -o yaml | kubectl sluice lint -f -`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			manifests, err := readManifests(files, s.in)
			if err != nil {
				return err
			}
			found, looked := check(manifests)
			for _, m := range found {
				if err := s.print([]line{text(plain, m)}); err != nil {
					return err
				}
			}
			if len(found) > 0 {
				return &exit{exitError}
			}
			if looked == "" {
				return fmt.Errorf("there is nothing in %s that lint knows: no Rollout, no analysis template, no Application, …", strings.Join(files, ", "))
			}
			return s.print([]line{text(plain, looked+" checked, no mistakes")})
		},
	}
	bindFiles(cmd, &files)
	return cmd
}

// bindFiles adds the required flag -f.
func bindFiles(cmd *cobra.Command, files *[]string) {
	cmd.Flags().StringArrayVarP(files, "filename", "f", nil, "Files or folders with manifests; - is the standard input")
	if err := cmd.MarkFlagRequired("filename"); err != nil {
		panic(err) // the flag was added one line above
	}
}
