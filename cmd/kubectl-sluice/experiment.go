package main

import (
	"context"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/view"
	"github.com/sluice-delivery/sluice/internal/kube"
)

func (s *session) getExperiment(ctx context.Context, name string, format output, watch bool) error {
	c, namespace, err := s.open()
	if err != nil {
		return err
	}
	key := client.ObjectKey{Namespace: namespace, Name: name}
	draw := func(t kube.Trial) ([]line, error) { return s.drawExperiment(view.OfExperiment(t, s.now()), format) }
	return look(ctx, s, watch, sight[kube.Trial]{
		load: func(ctx context.Context) (kube.Trial, error) { return view.LoadExperiment(ctx, c, key) },
		watch: func(ctx context.Context, show func(kube.Trial, error) error) error {
			return view.WatchExperiment(ctx, c, key, show)
		},
		draw: draw,
	})
}

func (s *session) drawExperiment(v view.Experiment, format output) ([]line, error) {
	switch format {
	case outputName:
		return []line{text(plain, "experiment.argoproj.io/"+v.Name)}, nil
	case outputJSON, outputYAML:
		return s.encoded(v, format)
	}
	return experimentPicture(v, s.frame(format)), nil
}

// experimentPicture draws an Experiment: how it stands, its images, and the tree of its pods and analyses.
func experimentPicture(v view.Experiment, f frame) []line {
	title := append(text(bold, v.Namespace+"/"+v.Name), span{"  ", plain})
	title = append(title, state(v.Tone, v.Status)...)
	title = append(title, text(dim, "  "+joined([]string{"experiment", v.Age}))...)
	lines := []line{title.fit(f.width)}
	if v.Message != "" {
		lines = append(lines, f.message(flow(nil, indent, words(styleOf(v.Tone), v.Message), " ", f.width))...)
	}
	lines = append(lines, nil)
	if v.Duration != "" {
		left := v.Left
		if left != "" {
			left += " left"
		}
		lines = append(lines, flow(text(dim, "Duration"), indent, []line{text(plain, joined([]string{v.Duration, left}))}, "", f.width)...)
	}
	for _, g := range v.Groups {
		lines = append(lines, flow(text(dim, "Group"), indent, []line{text(bold, g.Name), text(plain, strings.Join(g.Images, ", "))}, "  ", f.width)...)
	}
	rows := []row{header("NAME", "STATUS", "AGE", "INFO")}
	for _, b := range experimentChildren(v, f) {
		rows = append(rows, b.rows("", "", f)...)
	}
	if len(rows) > 1 {
		lines = append(append(lines, nil), table(rows, f.width)...)
	}
	return lines
}

func (s *session) listExperiments(ctx context.Context, format output, watch, all bool) error {
	c, namespace, err := s.open()
	if err != nil {
		return err
	}
	if all {
		namespace = ""
	}
	draw := func(trials []kube.Trial) ([]line, error) { return s.drawExperiments(trials, format, namespace) }
	return look(ctx, s, watch, sight[[]kube.Trial]{
		load: func(ctx context.Context) ([]kube.Trial, error) { return view.LoadExperiments(ctx, c, namespace) },
		watch: func(ctx context.Context, show func([]kube.Trial, error) error) error {
			return view.WatchExperiments(ctx, c, namespace, show)
		},
		draw: draw,
	})
}

func (s *session) drawExperiments(trials []kube.Trial, format output, namespace string) ([]line, error) {
	models := make([]view.Experiment, 0, len(trials))
	for _, t := range trials {
		models = append(models, view.OfExperiment(t, s.now()))
	}
	switch format {
	case outputName:
		var lines []line
		for _, v := range models {
			lines = append(lines, text(plain, "experiment.argoproj.io/"+v.Name))
		}
		return lines, nil
	case outputJSON, outputYAML:
		return s.encoded(models, format)
	}
	if len(models) == 0 {
		return none("Experiments", namespace), nil
	}
	rows := []row{header(across(namespace == "", "NAMESPACE", "NAME", "STATUS", "DURATION", "REMAINING", "AGE", "INFO")...)}
	for _, v := range models {
		rows = append(rows, row{cells: across(namespace == "", text(plain, v.Namespace), text(bold, v.Name), state(v.Tone, v.Status),
			text(plain, v.Duration), text(plain, v.Left), text(plain, v.Age), text(dim, v.Message))})
	}
	return table(rows, s.frame(format).width), nil
}
