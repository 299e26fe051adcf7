package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/console/view"
)

// Exit codes of commands that compare, sync or wait; 0 is what was hoped for and exitError anything that kept it from knowing.
const (
	exitDiffers = 1
	// exitNoDiff is the code of app diff for what kept it from comparing, because 1 is an answer there.
	exitNoDiff  = 2
	exitFailed  = 2
	exitTimeout = 4
)

func newApp(s *session) *cobra.Command {
	app := &cobra.Command{
		Use:     "app",
		Aliases: []string{"application", "applications", "apps"},
		Short:   "Look at Applications and steer them: list, get, diff, sync, wait, rollback",
		Long: `Look at Applications and steer them.

An Application is given as NAME or NAMESPACE/NAME. Without -n the namespace is the control namespace, where Applications are unless their project
lets them be elsewhere.`,
	}
	app.PersistentFlags().StringVar(&s.controlNamespace, "control-namespace", gitopsv1.DefaultControlNamespace, "Namespace of projects and of the Secrets of repositories")
	look, steer := &cobra.Group{ID: "look", Title: "Look:"}, &cobra.Group{ID: "steer", Title: "Steer:"}
	app.AddGroup(look, steer)
	for group, commands := range map[*cobra.Group][]*cobra.Command{
		look: {newAppList(s), newAppGet(s), newAppResources(s), newAppHistory(s), newAppDiff(s), newAppManifests(s), newAppWait(s)},
		steer: {newAppSync(s), newAppRollback(s), newAppTerminate(s), newAppCreate(s), newAppSet(s), newAppDelete(s), newAppConfirm(s),
			newAppActions(s)},
	} {
		for _, c := range commands {
			c.GroupID = group.ID
			app.AddCommand(c)
		}
	}
	return app
}

// control is the namespace in which Applications are looked for: the one of -n, else the control namespace, for no kubeconfig has that as its current one.
func (s *session) control() string {
	if s.flags.Context.Namespace != "" {
		return s.flags.Context.Namespace
	}
	return s.controlNamespace
}

// appKey reads NAME or NAMESPACE/NAME.
func (s *session) appKey(arg string) (client.ObjectKey, error) {
	namespace, name, found := strings.Cut(arg, "/")
	if !found {
		namespace, name = s.control(), arg
	}
	if namespace == "" || name == "" || strings.Contains(name, "/") {
		return client.ObjectKey{}, fmt.Errorf("%q is no Application: give NAME or NAMESPACE/NAME", arg)
	}
	return client.ObjectKey{Namespace: namespace, Name: name}, nil
}

// openApp connects to the cluster and reads which Application is meant.
func (s *session) openApp(arg string) (client.WithWatch, client.ObjectKey, error) {
	key, err := s.appKey(arg)
	if err != nil {
		return nil, key, err
	}
	c, err := s.connect()
	return c, key, err
}

// loadApp reads the Application that an argument names.
func (s *session) loadApp(ctx context.Context, arg string) (*gitopsv1.Application, error) {
	c, key, err := s.openApp(arg)
	if err != nil {
		return nil, err
	}
	return view.LoadApplication(ctx, c, key)
}

// appAction is a verb bound to one Application.
type appAction func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error)

// newAppAction makes a command that does one thing to one Application and prints what it asked for.
func newAppAction(s *session, use, short string, do appAction) *cobra.Command {
	return &cobra.Command{
		Use: use + " NAME", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: s.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, key, err := s.openApp(args[0])
			if err != nil {
				return err
			}
			return s.tell(do(cmd.Context(), c, key))
		},
	}
}

// picks says which Applications a command is about.
type picks struct {
	selector string
	projects []string
}

func (p *picks) bind(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&p.selector, "selector", "l", "", "Only Applications with these labels")
	cmd.Flags().StringSliceVarP(&p.projects, "project", "p", nil, "Only Applications of these projects")
}

// any reports whether Applications are picked by what they are and not by name.
func (p *picks) any() bool { return p.selector != "" || len(p.projects) > 0 }

// list reads the Applications of a namespace that are picked.
func (p *picks) list(ctx context.Context, c client.Reader, namespace string) ([]gitopsv1.Application, error) {
	only, err := labels.Parse(p.selector)
	if err != nil {
		return nil, fmt.Errorf("-l %q is no selector: %w", p.selector, err)
	}
	apps, err := view.LoadApplications(ctx, c, namespace, only)
	if err != nil || len(p.projects) == 0 {
		return apps, err
	}
	var kept []gitopsv1.Application
	for _, app := range apps {
		for _, project := range p.projects {
			if gitopsv1.ProjectName(app.Spec) == project {
				kept = append(kept, app)
			}
		}
	}
	return kept, nil
}

// keys gives the Applications that the arguments name, or else those that are picked.
func (p *picks) keys(ctx context.Context, s *session, c client.Reader, args []string) ([]client.ObjectKey, error) {
	switch {
	case len(args) > 0 && p.any():
		return nil, errors.New("give names or a selector, not both")
	case len(args) == 0 && !p.any():
		return nil, errors.New("no Application is given: give a NAME, or pick some with -l or -p")
	}
	var keys []client.ObjectKey
	for _, arg := range args {
		key, err := s.appKey(arg)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(args) > 0 {
		return keys, nil
	}
	apps, err := p.list(ctx, c, s.control())
	if err != nil {
		return nil, err
	}
	if len(apps) == 0 {
		return nil, fmt.Errorf("there is no such Application in namespace %s", s.control())
	}
	for i := range apps {
		keys = append(keys, client.ObjectKeyFromObject(&apps[i]))
	}
	return keys, nil
}

// completeApps offers the Applications of the namespace to the shell.
func (s *session) completeApps(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, err := s.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	apps, err := (&picks{}).list(cmd.Context(), c, s.control())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, app := range apps {
		names = append(names, app.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// parseResources reads GROUP:KIND:NAME, in which the name may be NAMESPACE/NAME, and with a leading ! what is to be left out.
func parseResources(texts []string) (only, except []gitopsv1.SyncResource, err error) {
	for _, given := range texts {
		out, excluded := strings.CutPrefix(given, "!")
		parts := strings.Split(out, ":")
		if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
			return nil, nil, fmt.Errorf("--resource %q is not GROUP:KIND:NAME, such as argoproj.io:Rollout:web or :Service:web", given)
		}
		r := gitopsv1.SyncResource{Group: parts[0], Kind: parts[1], Name: parts[2]}
		if namespace, name, found := strings.Cut(parts[2], "/"); found {
			r.Namespace, r.Name = namespace, name
		}
		if excluded {
			except = append(except, r)
		} else {
			only = append(only, r)
		}
	}
	if len(only) > 0 && len(except) > 0 {
		return nil, nil, errors.New("--resource names what to take and what to leave out: give one of them")
	}
	return only, except, nil
}
