package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sluice-delivery/sluice/console/view"
	"github.com/sluice-delivery/sluice/internal/kube"
)

func newList(s *session) *cobra.Command {
	var format output
	var watch, all bool
	cmd := &cobra.Command{
		Use:       "list [rollouts|experiments]",
		Aliases:   []string{"ls"},
		Short:     "List Rollouts, or Experiments, with where each of them stands",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"rollouts", "rollout", "ro", "experiments", "experiment", "exp"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && kinds[args[0]] == "experiment" {
				return s.listExperiments(cmd.Context(), format, watch, all)
			}
			return s.list(cmd.Context(), format, watch, all)
		},
	}
	format.bind(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "Go on showing them as they change")
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "List those of every namespace")
	return cmd
}

func (s *session) list(ctx context.Context, format output, watch, all bool) error {
	c, namespace, err := s.open()
	if err != nil {
		return err
	}
	if all {
		namespace = ""
	}
	draw := func(families []kube.Family) ([]line, error) { return s.drawList(families, format, namespace) }
	return look(ctx, s, watch, sight[[]kube.Family]{
		load: func(ctx context.Context) ([]kube.Family, error) { return view.LoadAll(ctx, c, namespace) },
		watch: func(ctx context.Context, show func([]kube.Family, error) error) error {
			return view.WatchAll(ctx, c, namespace, show)
		},
		draw: draw,
	})
}

func (s *session) drawList(families []kube.Family, format output, namespace string) ([]line, error) {
	models := make([]view.Rollout, 0, len(families))
	for _, f := range families {
		models = append(models, view.Of(f, s.now()))
	}
	switch format {
	case outputName:
		var lines []line
		for _, v := range models {
			lines = append(lines, nameOf(v.Name))
		}
		return lines, nil
	case outputJSON, outputYAML:
		return s.encoded(models, format)
	}
	if len(models) == 0 {
		return none("Rollouts", namespace), nil
	}
	return table(overview(models, namespace == ""), s.frame(format).width), nil
}

// none says that a list is empty; without a namespace it was one of all.
func none(what, namespace string) []line {
	where := "in any namespace"
	if namespace != "" {
		where = "in namespace " + namespace
	}
	return []line{text(dim, "there are no "+what+" "+where)}
}

func header(titles ...string) row {
	cells := make([]line, len(titles))
	for i, title := range titles {
		cells[i] = text(dim, title)
	}
	return row{cells: cells}
}

// across puts the namespace before the columns of a list of all namespaces.
func across[T any](namespaces bool, namespace T, columns ...T) []T {
	if namespaces {
		return append([]T{namespace}, columns...)
	}
	return columns
}

// overview is one row a Rollout. What it waits for stands last, where there is room for it.
func overview(models []view.Rollout, namespaces bool) []row {
	rows := []row{header(across(namespaces, "NAMESPACE", "NAME", "STATUS", "STEP", "WEIGHT", "AVAILABLE", "UPDATED", "AGE", "INFO")...)}
	for _, v := range models {
		info := v.Message
		if v.Waiting != "" && v.Tone != view.ToneBad {
			info = v.Waiting
		}
		rows = append(rows, row{cells: across(namespaces, text(plain, v.Namespace),
			text(bold, v.Name), state(v.Tone, string(v.Phase)), text(plain, v.Step), weight(v),
			text(plain, fmt.Sprintf("%d/%d", v.Replicas.Available, v.Replicas.Desired)), text(plain, fmt.Sprint(v.Replicas.Updated)),
			text(plain, v.Age), text(dim, info))})
	}
	return rows
}

// weight is the canary's share while there is a canary: the one that is there, or else the one that is wanted.
func weight(v view.Rollout) line {
	t := v.Traffic
	if t == nil || t.Wanted == t.Full && (t.Actual == nil || *t.Actual == t.Full) {
		return nil
	}
	share := t.Wanted
	if t.Actual != nil {
		share = *t.Actual
	}
	if t.Full != 100 {
		return text(plain, fmt.Sprintf("%d of %d", share, t.Full))
	}
	return text(plain, fmt.Sprintf("%d %%", share))
}
