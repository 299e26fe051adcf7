package analysisrun

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Providers finds the Provider of a metric; nil if there is none.
type Providers func(v1alpha1.MetricProvider) analysis.Provider

// sideBySide is how many metrics of one run are measured at the same time.
const sideBySide = 8

// measure does what is due, side by side, and gives the outcomes in the order of the tasks.
func (c *Controller) measure(ctx context.Context, run *v1alpha1.AnalysisRun, due []analysis.Task) []analysis.Taken {
	if len(due) == 0 {
		return nil
	}
	secrets, problem := c.secretsOf(ctx, run)
	taken := make([]analysis.Taken, len(due))
	slots := make(chan struct{}, sideBySide)
	var wait sync.WaitGroup
	for i, task := range due {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			taken[i] = analysis.Taken{Metric: task.Metric.Name, Measurement: c.do(ctx, run, task, secrets, problem)}
		})
	}
	wait.Wait()
	return taken
}

// do does one task. A provider that panics spoils its own measurement and nothing else.
func (c *Controller) do(ctx context.Context, run *v1alpha1.AnalysisRun, task analysis.Task, secrets map[string]string, problem error) v1alpha1.Measurement {
	a := analysis.Attempt{Metric: task.Metric, Previous: task.Previous, Started: c.now(), Secrets: secrets}
	func() {
		defer func() {
			if p := recover(); p != nil {
				a.Err = fmt.Errorf("the provider of metric %s failed in a way it should not: %v", task.Metric.Name, p)
				logf.FromContext(ctx).Error(a.Err, "recovered from a panic", "stack", analysis.Redact(string(debug.Stack()), secrets))
			}
		}()
		provider := c.Providers(task.Metric.Provider)
		switch {
		case provider == nil:
			a.Err = fmt.Errorf("no provider of this controller measures metric %s", task.Metric.Name)
		case task.Stop:
			a.Err = stop(ctx, provider, run, task.Previous)
		case problem != nil:
			a.Err = problem
		default:
			if a.Metric, a.Err = analysis.Fill(task.Metric, run.Spec.Args, secrets); a.Err == nil {
				a.Reading, a.Err = provider.Measure(ctx, run, a.Metric, task.Previous)
			}
		}
	}()
	if task.Stop && a.Err == nil {
		return analysis.Stopped(*task.Previous, c.now())
	}
	a.Finished = c.now()
	return analysis.Judge(a)
}

func stop(ctx context.Context, provider analysis.Provider, run *v1alpha1.AnalysisRun, previous *v1alpha1.Measurement) error {
	if s, holds := provider.(analysis.Stopper); holds {
		if err := s.Stop(ctx, run, previous); err != nil {
			return fmt.Errorf("stopping the measurement: %w", err)
		}
	}
	return nil
}

// secretsOf reads the values of arguments that are in Secrets of the run's own namespace. They are never written anywhere.
func (c *Controller) secretsOf(ctx context.Context, run *v1alpha1.AnalysisRun) (map[string]string, error) {
	values := map[string]string{}
	read := map[string]*corev1.Secret{}
	for _, a := range analysis.SecretsOf(run.Spec.Args) {
		ref := a.ValueFrom.SecretKeyRef
		secret := read[ref.Name]
		if secret == nil {
			secret = &corev1.Secret{}
			if err := c.Live.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: ref.Name}, secret); err != nil {
				return values, fmt.Errorf("reading Secret %s for argument %s: %w", ref.Name, a.Name, err)
			}
			read[ref.Name] = secret
		}
		value, ok := secret.Data[ref.Key]
		if !ok {
			return values, fmt.Errorf("argument %s: Secret %s has no key %s", a.Name, ref.Name, ref.Key)
		}
		values[a.Name] = string(value)
	}
	return values, nil
}
