package analysisrun

import (
	"context"
	"errors"
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

// measure does what is due, side by side, and gives the outcomes in the order of the tasks. A task whose turn does not come within the
// time limit has no outcome and stays due.
func (c *Controller) measure(ctx context.Context, run *v1alpha1.AnalysisRun, due []analysis.Task) []analysis.Taken {
	if len(due) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, measureLimit)
	defer cancel()
	secrets, missing := c.secretsOf(ctx, run)
	outcomes := make([]*v1alpha1.Measurement, len(due))
	slots := make(chan struct{}, sideBySide)
	var wait sync.WaitGroup
	for i, task := range due {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() == nil {
				outcomes[i] = c.do(ctx, run, task, secrets, missing)
			}
		})
	}
	wait.Wait()
	var taken []analysis.Taken
	for i, outcome := range outcomes {
		if outcome != nil {
			taken = append(taken, analysis.Taken{Metric: due[i].Metric.Name, Measurement: *outcome})
		}
	}
	return taken
}

// do does one task. A provider or condition that panics spoils its own measurement and nothing else.
func (c *Controller) do(ctx context.Context, run *v1alpha1.AnalysisRun, task analysis.Task, secrets map[string]string, missing error) (out *v1alpha1.Measurement) {
	a := analysis.Attempt{Metric: task.Metric, Previous: task.Previous, Started: c.now(), Secrets: secrets}
	defer func() {
		if p := recover(); p != nil {
			a.Reading, a.Finished = analysis.Reading{}, c.now()
			a.Err = fmt.Errorf("measuring metric %s failed in a way it should not: %v", task.Metric.Name, p)
			logf.FromContext(ctx).Error(errors.New(analysis.Redact(a.Err.Error(), secrets)), "recovered from a panic",
				"stack", analysis.Redact(string(debug.Stack()), secrets))
			m := analysis.Judge(a)
			out = &m
		}
	}()
	if task.Stop {
		m := c.stop(ctx, run, task, secrets)
		return &m
	}
	a.Metric, a.Reading, a.Err = c.read(ctx, run, task, secrets, missing)
	a.Finished = c.now()
	m := analysis.Judge(a)
	return &m
}

// read asks the provider of a metric. Secrets that are missing matter only to the metrics that name them, and not to what is in flight
// already: were it given up, the same would be started a second time beside it.
func (c *Controller) read(ctx context.Context, run *v1alpha1.AnalysisRun, task analysis.Task, secrets map[string]string, missing error) (v1alpha1.Metric, analysis.Reading, error) {
	provider := c.Providers(task.Metric.Provider)
	if provider == nil {
		return task.Metric, analysis.Reading{}, fmt.Errorf("no provider of this controller measures metric %s", task.Metric.Name)
	}
	filled, err := analysis.Fill(task.Metric, run.Spec.Args, secrets)
	switch {
	case err != nil && task.Previous != nil:
		filled = task.Metric
	case err != nil && missing != nil:
		return task.Metric, analysis.Reading{}, missing
	case err != nil:
		return task.Metric, analysis.Reading{}, err
	}
	reading, err := provider.Measure(ctx, run, filled, task.Previous)
	return filled, reading, err
}

// stop ends a measurement in flight. One that cannot be stopped ends all the same: the run and the release do not wait for it, and what it
// has left behind goes with the run.
func (c *Controller) stop(ctx context.Context, run *v1alpha1.AnalysisRun, task analysis.Task, secrets map[string]string) v1alpha1.Measurement {
	m := analysis.Stopped(*task.Previous, c.now())
	if s, holds := c.Providers(task.Metric.Provider).(analysis.Stopper); holds {
		if err := s.Stop(ctx, run, task.Previous); err != nil {
			m.Message += ", but what it had started could not be stopped: " + analysis.Redact(err.Error(), secrets)
		}
	}
	return m
}

// secretsOf reads the values of arguments that are in Secrets of the run's own namespace. They are never written anywhere. The error
// tells of those that are not there; the others are given nevertheless.
func (c *Controller) secretsOf(ctx context.Context, run *v1alpha1.AnalysisRun) (map[string]string, error) {
	values := map[string]string{}
	var missing error
	read := map[string]*corev1.Secret{}
	for _, a := range analysis.SecretsOf(run.Spec.Args) {
		ref := a.ValueFrom.SecretKeyRef
		secret, known := read[ref.Name]
		if !known {
			secret = &corev1.Secret{}
			if err := c.Live.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: ref.Name}, secret); err != nil {
				missing = errors.Join(missing, fmt.Errorf("reading Secret %s for argument %s: %w", ref.Name, a.Name, err))
				secret = nil
			}
			read[ref.Name] = secret
		}
		if secret == nil {
			continue
		}
		if value, ok := secret.Data[ref.Key]; ok {
			values[a.Name] = string(value)
		} else {
			missing = errors.Join(missing, fmt.Errorf("argument %s: Secret %s has no key %s", a.Name, ref.Name, ref.Key))
		}
	}
	return values, missing
}
