package job

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

const (
	// metadataName and metadataNamespace name the Job in the metadata of its measurement.
	metadataName, metadataNamespace = "job-name", "job-namespace"
	// maxName is the longest name of a Job whose pods still get its name as a label.
	maxName = 63
	// pulling is how long an image may be missing before nobody waits for it any more.
	pulling = 30 * time.Second
)

// Provider runs Jobs in the namespace of their run.
type Provider struct {
	// Client creates and deletes Jobs; Live reads Jobs and pods from the API server.
	Client client.Client
	Live   client.Reader
	// Now is the clock; nil means the real one.
	Now func() time.Time
}

// Measure makes the Job of a new measurement, or looks at that of one in flight. The name of the Job follows from the run and the number of the
// measurement, so one that was made is found again and never made twice.
func (p *Provider) Measure(ctx context.Context, run *v1alpha1.AnalysisRun, m v1alpha1.Metric, previous *v1alpha1.Measurement) (analysis.Reading, error) {
	if previous == nil {
		return p.create(ctx, run, m)
	}
	key := types.NamespacedName{Namespace: previous.Metadata[metadataNamespace], Name: previous.Metadata[metadataName]}
	job := &batchv1.Job{}
	if err := p.Live.Get(ctx, key, job); err != nil {
		if apierrors.IsNotFound(err) {
			return analysis.Reading{}, fmt.Errorf("job %s was deleted before it ended", key.Name)
		}
		return p.later(previous), nil // the API server is away; the Job goes on
	}
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			return analysis.Reading{Phase: v1alpha1.AnalysisPhaseSuccessful}, nil
		case batchv1.JobFailed:
			return analysis.Reading{Phase: v1alpha1.AnalysisPhaseFailed, Message: c.Message}, nil
		}
	}
	if why := p.withoutImage(ctx, job); why != "" {
		return analysis.Reading{Phase: v1alpha1.AnalysisPhaseInconclusive, Message: why}, nil
	}
	return p.later(previous), nil
}

// Stop deletes the Job of a measurement in flight.
func (p *Provider) Stop(ctx context.Context, _ *v1alpha1.AnalysisRun, previous *v1alpha1.Measurement) error {
	job := &batchv1.Job{}
	job.Namespace, job.Name = previous.Metadata[metadataNamespace], previous.Metadata[metadataName]
	return client.IgnoreNotFound(p.Client.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground)))
}

func (p *Provider) create(ctx context.Context, run *v1alpha1.AnalysisRun, m v1alpha1.Metric) (analysis.Reading, error) {
	job, err := jobOf(run, m)
	if err != nil {
		return analysis.Reading{}, err
	}
	if err := p.Client.Create(ctx, job); err != nil && !apierrors.IsAlreadyExists(err) {
		return analysis.Reading{}, fmt.Errorf("creating job %s: %w", job.GetName(), err)
	} else if err != nil {
		existing := &batchv1.Job{}
		if err := p.Live.Get(ctx, client.ObjectKeyFromObject(job), existing); err != nil {
			return analysis.Reading{}, fmt.Errorf("reading job %s: %w", job.GetName(), err)
		}
		if !metav1.IsControlledBy(existing, run) {
			return analysis.Reading{}, fmt.Errorf("there is a job %s that does not belong to this run: delete or rename it", job.GetName())
		}
	}
	return analysis.Reading{
		Phase: v1alpha1.AnalysisPhaseRunning, ResumeAfter: time.Second,
		Metadata: map[string]string{metadataName: job.GetName(), metadataNamespace: job.GetNamespace()},
	}, nil
}

func jobOf(run *v1alpha1.AnalysisRun, m v1alpha1.Metric) (*unstructured.Unstructured, error) {
	spec := map[string]any{}
	if err := json.Unmarshal(m.Provider.Job.Spec.Raw, &spec); err != nil {
		return nil, fmt.Errorf("metric %s: reading provider.job.spec: %w", m.Name, err)
	}
	job := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	job.SetAPIVersion("batch/v1")
	job.SetKind("Job")
	job.SetNamespace(run.Namespace)
	job.SetName(nameOf(run, m.Name))
	labels := map[string]string{}
	annotations := map[string]string{}
	for key, value := range m.Provider.Job.Metadata.Labels {
		labels[key] = value
	}
	for key, value := range m.Provider.Job.Metadata.Annotations {
		annotations[key] = value
	}
	labels[v1alpha1.LabelAnalysisRunUID] = string(run.UID)
	annotations[v1alpha1.AnnotationAnalysisRunName] = run.Name
	annotations[v1alpha1.AnnotationAnalysisRunNamespace] = run.Namespace
	annotations[v1alpha1.AnnotationAnalysisRunMetric] = m.Name
	job.SetLabels(labels)
	job.SetAnnotations(annotations)
	job.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.AnalysisRunKind)})
	return job, nil
}

// nameOf is <uid of the run>.<metric>.<number of the measurement>; of a long name the metric is cut.
func nameOf(run *v1alpha1.AnalysisRun, metric string) string {
	number := int32(1)
	for _, r := range run.Status.MetricResults {
		if r.Name == metric {
			number += r.Count + r.Error
		}
	}
	room := maxName - len(fmt.Sprintf("%s..%d", run.UID, number))
	metric = strings.ToLower(metric)
	return fmt.Sprintf("%s.%s.%d", run.UID, metric[:max(0, min(len(metric), room))], number)
}

// withoutImage says if no pod of a Job can start because of its image: such a Job would never end.
func (p *Provider) withoutImage(ctx context.Context, job *batchv1.Job) string {
	if p.now().Sub(job.CreationTimestamp.Time) < pulling {
		return ""
	}
	var pods corev1.PodList
	if err := p.Live.List(ctx, &pods, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name}); err != nil {
		return ""
	}
	for _, pod := range pods.Items {
		for _, s := range pod.Status.ContainerStatuses {
			if w := s.State.Waiting; w != nil {
				switch w.Reason {
				case "ErrImagePull", "ImagePullBackOff", "InvalidImageName":
					return fmt.Sprintf("container %s cannot start: %s", s.Name, w.Reason)
				}
			}
		}
	}
	return ""
}

// later asks for another look after sqrt(2 × elapsed seconds), as the wire contract has it; a change of the Job comes sooner by itself.
func (p *Provider) later(previous *v1alpha1.Measurement) analysis.Reading {
	wait := time.Second
	if previous.StartedAt != nil {
		wait = max(wait, time.Duration(math.Sqrt(2*p.now().Sub(previous.StartedAt.Time).Seconds())*float64(time.Second)))
	}
	return analysis.Reading{Phase: v1alpha1.AnalysisPhaseRunning, ResumeAfter: wait}
}

func (p *Provider) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}
