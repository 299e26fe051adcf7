package main

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/view"
	"github.com/sluice-delivery/sluice/internal/kube"
)

func newGet(s *session) *cobra.Command {
	var format output
	var watch bool
	cmd := &cobra.Command{
		Use:   "get [rollout|experiment] NAME",
		Short: "Show a Rollout or an Experiment: where it stands, its pods and all that belongs to them",
		Example: `  kubectl sluice get rollout web
  kubectl sluice get web -w
  kubectl sluice get experiment trial`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: s.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, name, err := parseTarget(args, "rollout", "experiment")
			if err != nil {
				return err
			}
			if kind == "experiment" {
				return s.getExperiment(cmd.Context(), name, format, watch)
			}
			return s.get(cmd.Context(), name, format, watch)
		},
	}
	format.bind(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "Go on showing it as it changes")
	return cmd
}

func (s *session) get(ctx context.Context, name string, format output, watch bool) error {
	c, namespace, err := s.open()
	if err != nil {
		return err
	}
	key := client.ObjectKey{Namespace: namespace, Name: name}
	draw := func(f kube.Family) ([]line, error) { return s.drawOne(view.Of(f, s.now()), format) }
	return look(ctx, s, watch, sight[kube.Family]{
		load: func(ctx context.Context) (kube.Family, error) { return view.Load(ctx, c, key) },
		watch: func(ctx context.Context, show func(kube.Family, error) error) error {
			return view.Watch(ctx, c, key, show)
		},
		draw: draw,
	})
}

func (s *session) drawOne(v view.Rollout, format output) ([]line, error) {
	switch format {
	case outputName:
		return []line{nameOf(v.Name)}, nil
	case outputJSON, outputYAML:
		return s.encoded(v, format)
	}
	return picture(v, s.frame(format)), nil
}

// frame is what a picture is fitted into: the terminal, or anything where there is none.
func (s *session) frame(format output) frame {
	columns, _, terminal := s.size()
	f := frame{wide: format == outputWide}
	if terminal && !f.wide {
		f.width = columns
	}
	// Without an override a suggested command would find the same namespace by itself.
	if s.flags.Context.Namespace == "" {
		if namespace, err := s.namespace(); err == nil {
			f.namespace = namespace
		}
	}
	return f
}
