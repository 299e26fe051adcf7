package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/view"
)

// kinds are the words for a kind of object, as kubectl has them.
var kinds = map[string]string{
	"rollout": "rollout", "rollouts": "rollout", "ro": "rollout",
	"experiment": "experiment", "experiments": "experiment", "exp": "experiment",
	"analysisrun": "analysisrun", "analysisruns": "analysisrun", "ar": "analysisrun",
}

// parseTarget reads NAME, KIND NAME or KIND/NAME; a name alone is one of the first allowed kind.
func parseTarget(args []string, allowed ...string) (kind, name string, err error) {
	word := ""
	switch {
	case len(args) == 1 && strings.Contains(args[0], "/"):
		word, name, _ = strings.Cut(args[0], "/")
	case len(args) == 1:
		word, name = allowed[0], args[0]
	case len(args) == 2:
		word, name = args[0], args[1]
	default:
		return "", "", fmt.Errorf("one name is needed, such as %s NAME; %d arguments were given", allowed[0], len(args))
	}
	for _, kind := range allowed {
		if kinds[word] == kind && name != "" {
			return kind, name, nil
		}
	}
	return "", "", fmt.Errorf("%q cannot be used here: give a name of the kind %s", strings.Join(args, " "), strings.Join(allowed, " or "))
}

// action is a verb bound to the cluster and the object that the arguments name.
type action func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error)

// newAction makes a command that does one thing to one Rollout and prints what it asked for.
func newAction(s *session, use, short string, do action) *cobra.Command {
	return &cobra.Command{
		Use:               use + " [rollout] NAME",
		Short:             short,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: s.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, name, err := parseTarget(args, "rollout")
			if err != nil {
				return err
			}
			return s.act(cmd.Context(), name, do)
		},
	}
}

func (s *session) act(ctx context.Context, name string, do action) error {
	c, namespace, err := s.open()
	if err != nil {
		return err
	}
	return s.tell(do(ctx, c, client.ObjectKey{Namespace: namespace, Name: name}))
}

// completeNames offers the Rollouts of the namespace to the shell.
func (s *session) completeNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 || len(args) == 1 && kinds[args[0]] != "rollout" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, namespace, err := s.open()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	all, err := view.LoadAll(cmd.Context(), c, namespace)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, f := range all {
		names = append(names, f.Rollout.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
