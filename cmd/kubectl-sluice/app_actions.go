package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/console/verb"
	"github.com/sluice-delivery/sluice/console/view"
)

// rolloutActions are what can be done to a Rollout of an Application, under the names that the guides have. Each is one of our own commands.
var rolloutActions = map[string]struct {
	words string
	do    func(s *session) action
}{
	"resume":       {"go past the current pause", func(*session) action { return promote(false) }},
	"promote-full": {"skip every step, pause and analysis that remains", func(*session) action { return promote(true) }},
	"abort":        {"send all traffic back to the stable revision", func(*session) action { return asAction(verb.Abort) }},
	"retry":        {"try an aborted update again", func(*session) action { return asAction(verb.Retry) }},
	"pause":        {"pause the update", func(*session) action { return asAction(verb.Pause) }},
	"restart": {"restart the pods", func(s *session) action {
		return func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
			return verb.Restart(ctx, c, key, s.now())
		}
	}},
}

func promote(full bool) action {
	return func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
		return verb.Promote(ctx, c, key, full)
	}
}

func asAction(do func(context.Context, client.Client, client.ObjectKey) (string, error)) action {
	return func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
		return do(ctx, c, key)
	}
}

func newAppActions(s *session) *cobra.Command {
	var kind, name, namespace string
	var all bool
	cmd := &cobra.Command{Use: "actions", Short: "List and run what can be done to the Rollouts of an Application"}
	list := &cobra.Command{
		Use: "list NAME", Short: "List the actions", Args: cobra.ExactArgs(1), ValidArgsFunction: s.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.listActions(cmd.Context(), args[0], name, namespace)
		},
	}
	run := &cobra.Command{
		Use: "run NAME ACTION", Short: "Run an action", Args: cobra.ExactArgs(2), ValidArgsFunction: s.completeApps,
		Example: "  kubectl sluice app actions run shop resume --resource-name web",
		RunE: func(cmd *cobra.Command, args []string) error {
			if kind != "" && kind != "Rollout" {
				return fmt.Errorf("--kind %s: actions are built for Rollouts; use kubectl for other kinds", kind)
			}
			c, rollouts, err := s.runnable(cmd.Context(), args, name, namespace, all)
			if err != nil {
				return err
			}
			for _, key := range rollouts {
				if err := s.tell(rolloutActions[args[1]].do(s)(cmd.Context(), c, key)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	for _, sub := range []*cobra.Command{list, run} {
		sub.Flags().StringVar(&name, "resource-name", "", "Only the Rollout of this name")
		sub.Flags().StringVar(&namespace, "resource-namespace", "", "Only Rollouts in this namespace")
	}
	run.Flags().StringVar(&kind, "kind", "", "Kind of the resource; Rollout")
	run.Flags().BoolVar(&all, "all", false, "Do it to all of them")
	cmd.AddCommand(list, run)
	return cmd
}

func (s *session) listActions(ctx context.Context, app, name, namespace string) error {
	_, rollouts, err := s.rolloutsOf(ctx, app, name, namespace)
	if err != nil {
		return err
	}
	rows := []row{header("KIND", "NAMESPACE", "NAME", "ACTION", "WHAT IT DOES")}
	for _, key := range rollouts {
		for _, action := range slices.Sorted(maps.Keys(rolloutActions)) {
			rows = append(rows, row{cells: []line{text(plain, "Rollout"), text(plain, key.Namespace), text(bold, key.Name), text(plain, action),
				text(dim, rolloutActions[action].words)}})
		}
	}
	return s.print(table(rows, s.frame(outputText).width))
}

// runnable lists the Rollouts that an action is for; args are the Application and the action.
func (s *session) runnable(ctx context.Context, args []string, name, namespace string, all bool) (client.WithWatch, []client.ObjectKey, error) {
	if _, known := rolloutActions[args[1]]; !known {
		return nil, nil, fmt.Errorf("there is no action %q: choose %s", args[1], strings.Join(slices.Sorted(maps.Keys(rolloutActions)), ", "))
	}
	c, rollouts, err := s.rolloutsOf(ctx, args[0], name, namespace)
	if err == nil && len(rollouts) > 1 && !all {
		err = errors.New("the Application has several Rollouts: name one with --resource-name, or take --all")
	}
	return c, rollouts, err
}

// rolloutsOf lists the Rollouts of an Application in this cluster.
func (s *session) rolloutsOf(ctx context.Context, app, name, namespace string) (client.WithWatch, []client.ObjectKey, error) {
	key, err := s.appKey(app)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.connect()
	if err != nil {
		return nil, nil, err
	}
	a, err := view.LoadApplication(ctx, c, key)
	if err != nil {
		return nil, nil, err
	}
	if d := a.Spec.Destination; d.Name != gitopsv1.InClusterName && d.Server != gitopsv1.InClusterServer {
		return nil, nil, fmt.Errorf("application %s is in cluster %s: turn to that cluster and use kubectl sluice there", key, view.ClusterOf(d))
	}
	var found []client.ObjectKey
	for _, r := range a.Status.Resources {
		if r.Kind == "Rollout" && slices.Contains([]string{"", r.Name}, name) && slices.Contains([]string{"", r.Namespace}, namespace) {
			found = append(found, client.ObjectKey{Namespace: r.Namespace, Name: r.Name})
		}
	}
	if len(found) == 0 {
		return nil, nil, fmt.Errorf("application %s has no such Rollout", key)
	}
	return c, found, nil
}
