package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/render"
	"github.com/sluice-delivery/sluice/gitsync/source"
)

func main() {
	switch {
	case render.IsChild():
		os.Exit(render.Serve(os.Stdin, os.Stdout))
	case source.IsChild():
		os.Exit(source.Serve(os.Stdin, os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, newSession(os.Stdin, os.Stdout, os.Stderr), os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, s *session, args []string) int {
	root := newRoot(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var verdict *exit
	var failure *verdictError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &verdict):
		return verdict.code
	}
	fmt.Fprintln(s.errOut, "error:", cleanLines(explain(err)))
	if errors.As(err, &failure) {
		return failure.code
	}
	return exitError
}

// exitError is the code of everything that went wrong.
const exitError = 1

// exit ends the command with a code that is an answer and not a failure; what there is to say was printed already.
type exit struct{ code int }

func (e *exit) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// explain says what to do about an error whose own words do not.
func explain(err error) string {
	var missing *meta.NoKindMatchError
	if errors.As(err, &missing) && missing.GroupKind.Group == v1alpha1.GroupVersion.Group {
		return "this cluster does not serve " + v1alpha1.GroupVersion.String() + " " + missing.GroupKind.Kind + ": install the CRDs first (" + err.Error() + ")"
	}
	return err.Error()
}

func newRoot(s *session) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-sluice",
		Short: "Watch and steer the progressive delivery of Rollouts",
		Long: `Watch and steer the progressive delivery of Rollouts.

A Rollout can be given as NAME, rollout NAME or rollout/NAME.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl sluice"},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.errOut)
	s.bind(root.PersistentFlags())
	look, steer, check := &cobra.Group{ID: "look", Title: "Look:"}, &cobra.Group{ID: "steer", Title: "Steer:"}, &cobra.Group{ID: "check", Title: "Check before applying:"}
	root.AddGroup(look, steer, check)
	for group, commands := range map[*cobra.Group][]*cobra.Command{
		look:  {newGet(s), newList(s), newStatus(s)},
		steer: {newPromote(s), newAbort(s), newRetry(s), newUndo(s), newPause(s), newRestart(s), newSet(s), newTerminate(s)},
		check: {newLint(s), newPlan(s)},
	} {
		for _, c := range commands {
			c.GroupID = group.ID
			root.AddCommand(c)
		}
	}
	root.AddCommand(newApp(s), newVersion(s))
	return root
}
