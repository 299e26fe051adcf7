package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/console/verb"
	"github.com/sluice-delivery/sluice/console/view"
)

func newAppHistory(s *session) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "history NAME", Short: "List what was deployed, with the numbers that rollback takes", Args: cobra.ExactArgs(1), ValidArgsFunction: s.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := s.loadApp(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.show(s.drawHistory(app.Status.History, format))
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", "wide", "Output format: wide, id, json, yaml")
	return cmd
}

func (s *session) drawHistory(history []gitopsv1.RevisionHistory, format string) ([]line, error) {
	switch format {
	case "id":
		var lines []line
		for _, h := range history {
			lines = append(lines, text(plain, strconv.FormatInt(h.ID, 10)))
		}
		return lines, nil
	case string(outputJSON), string(outputYAML):
		return s.encoded(history, output(format))
	case string(outputWide):
	default:
		return nil, fmt.Errorf("-o %q: choose wide, id, json or yaml", format)
	}
	if len(history) == 0 {
		return []line{text(dim, "nothing was deployed yet")}, nil
	}
	rows := []row{header("ID", "AGE", "DATE", "BY", "REVISION", "SOURCE")}
	for _, h := range history {
		sources, revisions := h.Sources, h.Revisions
		if len(sources) == 0 {
			sources, revisions = []gitopsv1.Source{h.Source}, []string{h.Revision}
		}
		where := ""
		for _, source := range sources {
			where += " " + source.RepoURL + " " + pathOf(source) + " @ " + gitopsv1.TargetRevision(source)
		}
		rows = append(rows, row{cells: []line{
			text(bold, strconv.FormatInt(h.ID, 10)), text(plain, duration.HumanDuration(s.now().Sub(h.DeployedAt.Time))),
			text(plain, h.DeployedAt.UTC().Format(time.RFC3339)), text(plain, initiator(h.InitiatedBy)), text(plain, short(revisions...)), text(dim, where[1:]),
		}})
	}
	return table(rows, s.frame(outputText).width), nil
}

func newAppRollback(s *session) *cobra.Command {
	var prune, async bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "rollback NAME [ID]",
		Short: "Return to what was deployed before, and wait for the end of it",
		Long: `Return to what was deployed under a number of app history, or before the last deployment if none is given, and wait for the end of it.

Git is left as it is, so the Application is out of sync afterwards; a commit that reverts the change is the lasting way. Hooks do not run.
While automated sync is on, a rollback is refused, because it would be undone at once.` + waitCodes,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: s.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			id := int64(-1)
			if len(args) == 2 {
				n, err := strconv.ParseInt(args[1], 10, 64)
				if err != nil || n < 0 {
					return fmt.Errorf("%q is no number of the history: app history lists them", args[1])
				}
				id = n
			}
			return s.rollback(cmd.Context(), args[0], id, prune, async, timeout)
		},
	}
	cmd.Flags().BoolVar(&prune, "prune", false, "Delete what was not there then")
	cmd.Flags().BoolVar(&async, "async", false, "Do not wait for the end")
	bindTimeout(cmd, &timeout)
	return cmd
}

func (s *session) rollback(ctx context.Context, name string, id int64, prune, async bool, timeout time.Duration) error {
	key, err := s.appKey(name)
	if err != nil {
		return err
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	app, err := view.LoadApplication(ctx, c, key)
	if err != nil {
		return err
	}
	if err := s.tell(verb.Rollback(ctx, c, key, id, prune, username())); err != nil || async {
		return err
	}
	return s.finished(ctx, c, []client.ObjectKey{key}, map[client.ObjectKey]*gitopsv1.OperationState{key: app.Status.OperationState}, timeout)
}

func newAppTerminate(s *session) *cobra.Command {
	return newAppAction(s, "terminate-op", "End the operation that is under way", func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
		return verb.TerminateOperation(ctx, c, key)
	})
}
