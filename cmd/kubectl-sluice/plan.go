package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy/simulate"
)

func newPlan(s *session) *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "plan -f FILE|FOLDER...",
		Short: "Tell what a release of a Rollout would do, without a cluster",
		Long: `Tell what a release of a Rollout would do, without a cluster.

The controller's own decisions are replayed in a toy world in which every pod becomes available, every analysis succeeds
and every pause without an end is promoted. Analysis templates are taken from the same files; one that is not there counts
as one that succeeds.`,
		Example: `  kubectl sluice plan -f rollout.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			manifests, err := readManifests(files, s.in)
			if err != nil {
				return err
			}
			manifests = slices.DeleteFunc(manifests, manifest.isOfGit) // a release does not depend on them
			if found, _ := check(manifests); len(found) > 0 {
				return fmt.Errorf("the manifests have mistakes, and a story of them would be untrue:\n%s", strings.Join(found, "\n"))
			}
			if manifests.rollouts() == 0 {
				return fmt.Errorf("there is no Rollout in %s", strings.Join(files, ", "))
			}
			return s.plan(manifests)
		},
	}
	bindFiles(cmd, &files)
	return cmd
}

func (s *session) plan(all manifests) error {
	around, _ := collect(all)
	for i, o := range around.objects {
		r, ok := o.(*v1alpha1.Rollout)
		if !ok {
			continue
		}
		library := around.library(r.Namespace)
		lines := []line{text(bold, all[i].at+": Rollout "+r.Name)}
		for _, name := range standIns(r, library) {
			lines = append(lines, text(yellow, name+" is not among the files and counts as one that succeeds"))
		}
		for l := range strings.Lines(simulate.Preview(r, library, s.now())) {
			lines = append(lines, storyLine(strings.TrimSuffix(l, "\n")))
		}
		if err := s.print(lines); err != nil {
			return err
		}
	}
	return nil
}

// storyLine sets off what happens to the Rollout from what it does.
func storyLine(l string) line {
	if strings.HasPrefix(l, ">") {
		return text(bold, l)
	}
	if strings.HasPrefix(strings.TrimSpace(l), "=") {
		return text(dim, l)
	}
	return text(plain, l)
}

// standIns adds a template for each that the Rollout's analyses name and the library lacks, and returns their names.
func standIns(r *v1alpha1.Rollout, library analysis.Library) []string {
	var missing []string
	for _, a := range analysesOf(r) {
		for _, ref := range a.Templates {
			kind, in := "AnalysisTemplate", library.Templates
			if ref.InCluster() {
				kind, in = "ClusterAnalysisTemplate", library.ClusterTemplates
			}
			if _, found := in[ref.TemplateName]; !found {
				in[ref.TemplateName] = v1alpha1.AnalysisTemplateSpec{Metrics: []v1alpha1.Metric{{
					Name: ref.TemplateName, Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: "http://stand-in.invalid"}},
				}}}
				missing = append(missing, kind+" "+ref.TemplateName)
			}
		}
	}
	return missing
}

func analysesOf(r *v1alpha1.Rollout) []v1alpha1.RolloutAnalysis {
	var all []v1alpha1.RolloutAnalysis
	add := func(a *v1alpha1.RolloutAnalysis) {
		if a != nil {
			all = append(all, *a)
		}
	}
	if c := r.Spec.Strategy.Canary; c != nil {
		for _, step := range c.Steps {
			add(step.Analysis)
		}
		if c.Analysis != nil {
			add(&c.Analysis.RolloutAnalysis)
		}
	}
	if b := r.Spec.Strategy.BlueGreen; b != nil {
		add(b.PrePromotionAnalysis)
		add(b.PostPromotionAnalysis)
	}
	return all
}
