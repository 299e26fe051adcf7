package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/console/view"
	"github.com/sluice-delivery/sluice/gitsync"
)

// listing is what app list was asked for.
type listing struct {
	picks
	format              output
	all                 bool
	repo, path, cluster string
	sync, health        []string
}

func newAppList(s *session) *cobra.Command {
	o := &listing{}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List Applications with where each of them stands", Args: cobra.NoArgs,
		Example: `  kubectl sluice app list -p shop
  kubectl sluice app list -l team=web --health Degraded -o name`,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.appList(cmd.Context(), o) },
	}
	o.picks.bind(cmd)
	o.format.bind(cmd)
	flags := cmd.Flags()
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "List those of every namespace")
	flags.StringVarP(&o.repo, "repo", "r", "", "Only Applications with this repository, however its address is written")
	flags.StringVarP(&o.path, "path", "P", "", "Only Applications with this path in the repository")
	flags.StringVarP(&o.cluster, "cluster", "c", "", "Only Applications with this destination cluster, by name or server")
	flags.StringSliceVar(&o.sync, "sync", nil, "Only Applications with one of these sync states")
	flags.StringSliceVar(&o.health, "health", nil, "Only Applications with one of these healths")
	return cmd
}

func (s *session) appList(ctx context.Context, o *listing) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	namespace := s.control()
	if o.all {
		namespace = ""
	}
	apps, err := o.picks.list(ctx, c, namespace)
	if err != nil {
		return err
	}
	apps = slices.DeleteFunc(apps, func(a gitopsv1.Application) bool { return !o.wants(a) })
	return s.show(s.drawApps(apps, o))
}

func (o *listing) wants(a gitopsv1.Application) bool {
	among := func(list []string, value string) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(one string) bool { return strings.EqualFold(one, value) })
	}
	source := func(is func(gitopsv1.Source) bool) bool { return slices.ContainsFunc(gitopsv1.SourcesOf(a.Spec), is) }
	d := a.Spec.Destination
	switch {
	case o.repo != "" && !source(func(s gitopsv1.Source) bool { return gitsync.NormalURL(s.RepoURL) == gitsync.NormalURL(o.repo) }),
		o.path != "" && !source(func(s gitopsv1.Source) bool { return s.Path == o.path }),
		o.cluster != "" && o.cluster != d.Name && o.cluster != d.Server:
		return false
	}
	return among(o.sync, string(a.Status.Sync.Status)) && among(o.health, string(a.Status.Health.Status))
}

func (s *session) drawApps(apps []gitopsv1.Application, o *listing) ([]line, error) {
	switch o.format {
	case outputName:
		var lines []line
		for _, a := range apps {
			lines = append(lines, text(plain, "application.argoproj.io/"+a.Name))
		}
		return lines, nil
	case outputJSON, outputYAML:
		apps = append([]gitopsv1.Application{}, apps...) // an empty list and not nothing
		for i := range apps {
			bare(&apps[i])
		}
		return s.encoded(apps, o.format)
	}
	if len(apps) == 0 {
		namespace := s.control()
		if o.all {
			namespace = ""
		}
		return none("such Applications", namespace), nil
	}
	return table(appRows(apps, o.all, o.format == outputWide), s.frame(o.format).width), nil
}

// appRows is one row an Application.
func appRows(apps []gitopsv1.Application, namespaces, wide bool) []row {
	titles := []string{"NAME", "STATUS", "HEALTH", "REVISION", "POLICY", "PROJECT", "CLUSTER", "NAMESPACE", "CONDITIONS"}
	if wide {
		titles = append(titles, "REPO", "PATH", "TARGET")
	}
	rows := []row{header(titles...)}
	for _, a := range apps {
		name := a.Name
		if namespaces {
			name = a.Namespace + "/" + a.Name
		}
		cells := []line{
			text(bold, name), state(view.SyncTone(a.Status.Sync.Status), string(a.Status.Sync.Status)),
			state(view.HealthTone(a.Status.Health.Status), string(a.Status.Health.Status)), text(plain, short(view.Revisions(&a)...)),
			text(plain, view.SyncPolicy(a.Spec)), text(plain, gitopsv1.ProjectName(a.Spec)), text(plain, view.ClusterOf(a.Spec.Destination)),
			text(plain, a.Spec.Destination.Namespace), text(yellow, strings.Join(view.Conditions(&a), ", ")),
		}
		if wide {
			var repos, paths, targets []string
			for _, source := range gitopsv1.SourcesOf(a.Spec) {
				repos, paths, targets = append(repos, source.RepoURL), append(paths, pathOf(source)), append(targets, gitopsv1.TargetRevision(source))
			}
			cells = append(cells, text(plain, strings.Join(repos, " ")), text(plain, strings.Join(paths, " ")), text(plain, strings.Join(targets, " ")))
		}
		rows = append(rows, row{cells: cells})
	}
	return rows
}

// pathOf is where in its repository a source is: a folder, or the name of a chart.
func pathOf(s gitopsv1.Source) string {
	if s.Chart != "" {
		return s.Chart
	}
	return s.Path
}

// short writes revisions as people know them: commits by their first characters, everything else as it is.
func short(revisions ...string) string {
	var all []string
	for _, r := range revisions {
		if len(r) >= 40 && strings.Trim(r, "0123456789abcdef") == "" {
			r = r[:7]
		}
		all = append(all, r)
	}
	return strings.Join(all, " ")
}

// bare takes off what only machines write for themselves.
func bare(a *gitopsv1.Application) {
	a.APIVersion, a.Kind = gitopsv1.GroupVersion.String(), gitopsv1.ApplicationKind.Kind
	a.ManagedFields = nil
}
