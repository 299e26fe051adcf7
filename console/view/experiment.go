package view

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// OfExperiment builds the model of an Experiment as it looks at a moment.
func OfExperiment(of kube.Trial, now time.Time) Experiment {
	e := of.Experiment
	v := Experiment{Node: node(e, now), Namespace: e.Namespace, Duration: string(e.Spec.Duration)}
	v.Status, v.Tone, v.Message = phaseWord(e.Status.Phase), analysisTone(e.Status.Phase), e.Status.Message
	if d, err := e.Spec.Duration.Duration(); err == nil && d > 0 && e.Status.AvailableAt != nil && !e.Status.Phase.Completed() {
		v.Left = span(e.Status.AvailableAt.Add(d).Sub(now))
	}
	for i := range e.Spec.Templates {
		v.Groups = append(v.Groups, group(of, &e.Spec.Templates[i], now))
	}
	for _, r := range e.Status.AnalysisRuns {
		if !slices.ContainsFunc(of.Runs, func(run v1alpha1.AnalysisRun) bool { return run.Name == r.AnalysisRun }) {
			v.Runs = append(v.Runs, Run{Node: Node{Name: r.AnalysisRun, Status: phaseWord(r.Phase), Tone: analysisTone(r.Phase), Message: r.Message}})
		}
	}
	for i := range of.Runs {
		v.Runs = append(v.Runs, analysisRun(&of.Runs[i], now))
	}
	return v
}

func group(of kube.Trial, t *v1alpha1.TemplateSpec, now time.Time) Group {
	v := Group{Name: t.Name}
	// What cannot be read has no image to show; the status says what is wrong with it.
	if template, err := v1alpha1.PodTemplate(t.Template); err == nil {
		for _, c := range template.Spec.Containers {
			v.Images = append(v.Images, c.Image)
		}
	}
	for _, g := range of.Groups {
		if g.ReplicaSet.Annotations[v1alpha1.AnnotationExperimentTemplateName] == t.Name {
			v.ReplicaSet = replicaSet(g.ReplicaSet, g.Pods, now)
		}
	}
	return v
}

// LoadExperiment reads one Experiment with what it owns, which OfExperiment turns into a model.
func LoadExperiment(ctx context.Context, c client.Reader, key client.ObjectKey) (kube.Trial, error) {
	return kube.LoadExperiment(ctx, c, key)
}

// LoadExperiments reads the Experiments of a namespace, or of all if it is empty, sorted by namespace and name, each without a tree.
func LoadExperiments(ctx context.Context, c client.Reader, namespace string) ([]kube.Trial, error) {
	var list v1alpha1.ExperimentList
	if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("listing experiments: %w", err)
	}
	return trials(list.Items), nil
}

func trials(items []v1alpha1.Experiment) []kube.Trial {
	all := make([]kube.Trial, 0, len(items))
	for i := range items {
		all = append(all, kube.Trial{Experiment: &items[i]})
	}
	slices.SortFunc(all, func(a, b kube.Trial) int {
		return cmp.Or(cmp.Compare(a.Experiment.Namespace, b.Experiment.Namespace), cmp.Compare(a.Experiment.Name, b.Experiment.Name))
	})
	return all
}

// WatchExperiment is Watch for an Experiment.
func WatchExperiment(ctx context.Context, c client.WithWatch, key client.ObjectKey, show func(t kube.Trial, trouble error) error) error {
	e := &v1alpha1.Experiment{}
	if err := c.Get(ctx, key, e); err != nil {
		return fmt.Errorf("reading experiment %s: %w", key, err)
	}
	in, hashed := client.InNamespace(key.Namespace), client.HasLabels{v1alpha1.LabelPodTemplateHash}
	only := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", key.Name)}
	s := newStage(c)
	experiments := follow[v1alpha1.Experiment](s, "experiments", &v1alpha1.ExperimentList{}, in, only)
	sets := follow[appsv1.ReplicaSet](s, "replicasets", &appsv1.ReplicaSetList{}, in, hashed)
	pods := follow[corev1.Pod](s, "pods", &corev1.PodList{}, in, hashed)
	runs := follow[v1alpha1.AnalysisRun](s, "analysisruns", &v1alpha1.AnalysisRunList{}, in)
	return s.play(ctx, func(trouble error) error {
		all := experiments.all()
		i := slices.IndexFunc(all, func(e v1alpha1.Experiment) bool { return e.Name == key.Name })
		if i < 0 {
			return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("experiments").GroupResource(), key.String())
		}
		return show(kube.GroupExperiment(&all[i], kube.Members{ReplicaSets: sets.all(), Pods: pods.all(), Runs: runs.all()}), trouble)
	})
}

// WatchExperiments is WatchExperiment for those of a namespace, or of all if it is empty, sorted by namespace and name, each without a tree.
func WatchExperiments(ctx context.Context, c client.WithWatch, namespace string, show func(all []kube.Trial, trouble error) error) error {
	s := newStage(c)
	experiments := follow[v1alpha1.Experiment](s, "experiments", &v1alpha1.ExperimentList{}, client.InNamespace(namespace))
	return s.play(ctx, func(trouble error) error { return show(trials(experiments.all()), trouble) })
}
