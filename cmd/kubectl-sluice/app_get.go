package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/console/verb"
	"github.com/sluice-delivery/sluice/console/view"
)

// looking is what app get was asked for.
type looking struct {
	format                        output
	watch, refresh, hard, showOps bool
}

func newAppGet(s *session) *cobra.Command {
	o := &looking{}
	cmd := &cobra.Command{
		Use: "get NAME", Short: "Show an Application: its source, its state, its operation and its resources", Args: cobra.ExactArgs(1), ValidArgsFunction: s.completeApps,
		Example: `  kubectl sluice app get shop
  kubectl sluice app get shop --refresh -o yaml`,
		RunE: func(cmd *cobra.Command, args []string) error { return s.appGet(cmd.Context(), args[0], o) },
	}
	o.format.bind(cmd)
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "Go on showing it as it changes")
	cmd.Flags().BoolVar(&o.refresh, "refresh", false, "Have the repository looked at first")
	cmd.Flags().BoolVar(&o.hard, "hard-refresh", false, "Have the repository looked at and everything rendered anew first")
	cmd.Flags().BoolVar(&o.showOps, "show-operation", false, "Show what the last operation did to each resource")
	return cmd
}

func (s *session) appGet(ctx context.Context, name string, o *looking) error {
	c, key, err := s.openApp(name)
	if err != nil {
		return err
	}
	if o.refresh || o.hard {
		if err := s.refreshed(ctx, c, key, o.hard); err != nil {
			return err
		}
	}
	draw := func(app *gitopsv1.Application) ([]line, error) { return s.drawApp(app, o) }
	return look(ctx, s, o.watch, sight[*gitopsv1.Application]{
		load: func(ctx context.Context) (*gitopsv1.Application, error) { return view.LoadApplication(ctx, c, key) },
		watch: func(ctx context.Context, show func(*gitopsv1.Application, error) error) error {
			return view.WatchApplication(ctx, c, key, show)
		},
		draw: draw,
	})
}

// refreshed asks for a look at the repository and waits for its end.
func (s *session) refreshed(ctx context.Context, c client.WithWatch, key client.ObjectKey, hard bool) error {
	if _, err := verb.RefreshApplication(ctx, c, key, hard); err != nil {
		return err
	}
	defer s.patience("the controller looks at the repository")()
	_, err := s.await(ctx, c, key, func(app *gitopsv1.Application) bool {
		return app.Annotations[gitopsv1.AnnotationRefresh] == ""
	}, nil)
	return err
}

func (s *session) drawApp(app *gitopsv1.Application, o *looking) ([]line, error) {
	switch o.format {
	case outputName:
		return []line{text(plain, "application.argoproj.io/"+app.Name)}, nil
	case outputJSON, outputYAML:
		app = app.DeepCopy()
		bare(app)
		return s.encoded(app, o.format)
	}
	width := s.frame(o.format).width
	lines := table(s.appFacts(app), width)
	if len(app.Status.Conditions) > 0 {
		lines = append(lines, nil)
		for _, c := range app.Status.Conditions {
			tone := yellow
			if strings.HasSuffix(string(c.Type), "Error") {
				tone = red
			}
			lines = append(lines, flow(append(text(tone, string(c.Type)), span{"  ", plain}), len(c.Type)+2, words(plain, c.Message), " ", width)...)
		}
	}
	if rows := resourceRows(app, o.showOps); len(rows) > 1 {
		lines = append(append(lines, nil), table(rows, width)...)
	}
	return lines, nil
}

// appFacts is one row a fact.
func (s *session) appFacts(app *gitopsv1.Application) []row {
	var rows []row
	add := func(name string, value line) {
		if value.width() > 0 {
			rows = append(rows, row{cells: []line{text(dim, name), value}})
		}
	}
	st := &app.Status
	add("Application", text(bold, app.Namespace+"/"+app.Name))
	add("Project", text(plain, gitopsv1.ProjectName(app.Spec)))
	add("Destination", text(plain, strings.TrimSpace(view.ClusterOf(app.Spec.Destination)+" "+app.Spec.Destination.Namespace)))
	for _, source := range gitopsv1.SourcesOf(app.Spec) {
		add("Source", text(plain, strings.TrimSpace(source.RepoURL+" "+pathOf(source))+" @ "+gitopsv1.TargetRevision(source)))
	}
	add("Policy", text(plain, policyWords(app.Spec)))
	add("Sync", append(state(view.SyncTone(st.Sync.Status), string(st.Sync.Status)), revisionWords(view.Revisions(app))...))
	health := state(view.HealthTone(st.Health.Status), string(st.Health.Status))
	if st.Health.Message != "" {
		health = append(health, text(plain, ": "+st.Health.Message)...)
	}
	add("Health", health)
	if op := st.OperationState; op != nil {
		words := fmt.Sprintf(" by %s, %s ago", initiator(op.Operation.InitiatedBy), duration.HumanDuration(s.now().Sub(op.StartedAt.Time)))
		if op.Message != "" {
			words += ": " + op.Message
		}
		add("Operation", append(state(view.OperationTone(op.Phase), string(op.Phase)), text(plain, words)...))
	} else if app.Operation != nil {
		add("Operation", text(cyan, "asked for"))
	}
	add("Images", text(plain, strings.Join(st.Summary.Images, ", ")))
	add("Addresses", text(plain, strings.Join(st.Summary.ExternalURLs, " ")))
	if app.DeletionTimestamp != nil {
		add("Deletion", text(red, "asked for "+duration.HumanDuration(s.now().Sub(app.DeletionTimestamp.Time))+" ago"))
	}
	return rows
}

func revisionWords(revisions []string) line {
	if len(revisions) == 0 {
		return nil
	}
	return text(plain, " at "+short(revisions...))
}

func initiator(by gitopsv1.OperationInitiator) string {
	if by.Automated {
		return "automated sync"
	}
	return cmp.Or(by.Username, "an unknown user")
}

func policyWords(spec gitopsv1.ApplicationSpec) string {
	if !gitopsv1.IsAutomated(spec) {
		return "manual"
	}
	all := []string{"automated"}
	if gitopsv1.Prunes(spec) {
		all = append(all, "prune")
	}
	if gitopsv1.SelfHeals(spec) {
		all = append(all, "self-heal")
	}
	if gitopsv1.AllowsEmpty(spec) {
		all = append(all, "allow-empty")
	}
	return strings.Join(all, ", ")
}

// resourceRows is one row a resource, with what the last operation said of it where that is asked for.
func resourceRows(app *gitopsv1.Application, operation bool) []row {
	rows := []row{header("KIND", "NAMESPACE", "NAME", "STATUS", "HEALTH", "HOOK", "MESSAGE")}
	for _, r := range app.Status.Resources {
		kind := r.Kind
		if r.Group != "" {
			kind = r.Group + "/" + r.Kind
		}
		hook, message := "", ""
		if r.Hook {
			hook = "hook"
		}
		if r.RequiresPruning {
			message = "not in Git any more, needs pruning"
		}
		health := line(nil)
		if r.Health != nil {
			health = state(view.HealthTone(r.Health.Status), string(r.Health.Status))
			message = cmp.Or(message, r.Health.Message)
		}
		if operation {
			message = cmp.Or(resultMessage(app, r), message)
		}
		status := line(nil)
		if !r.Hook {
			status = state(view.SyncTone(r.Status), string(r.Status))
		}
		rows = append(rows, row{cells: []line{text(plain, kind), text(plain, r.Namespace), text(bold, r.Name), status, health, text(dim, hook), text(dim, message)}})
	}
	return rows
}

func resultMessage(app *gitopsv1.Application, r gitopsv1.ResourceStatus) string {
	state := app.Status.OperationState
	if state == nil || state.SyncResult == nil {
		return ""
	}
	for _, one := range state.SyncResult.Resources {
		if one.Group == r.Group && one.Kind == r.Kind && one.Namespace == r.Namespace && one.Name == r.Name {
			return one.Message
		}
	}
	return ""
}

func newAppResources(s *session) *cobra.Command {
	var format output
	cmd := &cobra.Command{
		Use: "resources NAME", Short: "List the resources of an Application", Args: cobra.ExactArgs(1), ValidArgsFunction: s.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := s.loadApp(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.show(s.drawResources(app, format))
		},
	}
	format.bind(cmd)
	return cmd
}

func (s *session) drawResources(app *gitopsv1.Application, format output) ([]line, error) {
	switch format {
	case outputName:
		var lines []line
		for _, r := range app.Status.Resources {
			lines = append(lines, text(plain, strings.Join([]string{r.Group, r.Kind, strings.TrimPrefix(r.Namespace+"/"+r.Name, "/")}, ":")))
		}
		return lines, nil
	case outputJSON, outputYAML:
		return s.encoded(app.Status.Resources, format)
	}
	if len(app.Status.Resources) == 0 {
		return []line{text(dim, "it has no resources")}, nil
	}
	return table(resourceRows(app, false), s.frame(format).width), nil
}
