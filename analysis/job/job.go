package job

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
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
	job, err := p.own(ctx, run, previous.Metadata[metadataName])
	switch {
	case apierrors.IsNotFound(err):
		return analysis.Reading{}, fmt.Errorf("job %s was deleted before it ended", previous.Metadata[metadataName])
	case errors.Is(err, errForeign):
		return analysis.Reading{}, err
	case err != nil:
		return p.later(previous, err.Error()), nil // the Job goes on without us
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
	why, err := p.withoutImage(ctx, job)
	switch {
	case err != nil:
		return p.later(previous, err.Error()), nil
	case why != "":
		return analysis.Reading{Phase: v1alpha1.AnalysisPhaseInconclusive, Message: why}, nil
	}
	return p.later(previous, ""), nil
}

// Stop deletes the Job of a measurement in flight.
func (p *Provider) Stop(ctx context.Context, run *v1alpha1.AnalysisRun, previous *v1alpha1.Measurement) error {
	job, err := p.own(ctx, run, previous.Metadata[metadataName])
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	err = p.Client.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &job.UID})
	if err := client.IgnoreNotFound(err); err != nil {
		return fmt.Errorf("deleting job %s: %w", job.Name, err)
	}
	return nil
}

// errForeign says that a Job is not that of a run. A name that stands in a status may have been written by anybody who can edit runs,
// and must not let them reach the Jobs of others.
var errForeign = errors.New("there is a job of that name that does not belong to this run")

// own reads a Job of a run, in the namespace of the run whatever the metadata of a measurement says.
func (p *Provider) own(ctx context.Context, run *v1alpha1.AnalysisRun, name string) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	if err := p.Live.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: name}, job); err != nil {
		return nil, fmt.Errorf("reading job %s: %w", name, err)
	}
	if !metav1.IsControlledBy(job, run) {
		return nil, fmt.Errorf("job %s: %w: delete or rename it", name, errForeign)
	}
	return job, nil
}

func (p *Provider) create(ctx context.Context, run *v1alpha1.AnalysisRun, m v1alpha1.Metric) (analysis.Reading, error) {
	job, err := jobOf(run, m)
	if err != nil {
		return analysis.Reading{}, err
	}
	if err := p.Client.Create(ctx, job); apierrors.IsAlreadyExists(err) {
		if _, err := p.own(ctx, run, job.GetName()); err != nil {
			return analysis.Reading{}, err
		}
	} else if err != nil {
		return analysis.Reading{}, fmt.Errorf("creating job %s: %w", job.GetName(), err)
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

// nameOf is <uid of the run>.<metric>.<number of the measurement>. Of a long name the metric is cut, and what cannot stand in the name of a
// Job is replaced; a hash then keeps metrics apart whose names would become the same.
func nameOf(run *v1alpha1.AnalysisRun, metric string) string {
	number := int32(1)
	for _, r := range run.Status.MetricResults {
		if r.Name == metric {
			number += r.Count + r.Error
		}
	}
	room := maxName - len(fmt.Sprintf("%s..%d", run.UID, number))
	part := strings.Trim(strings.Map(allowed, metric), "-")
	if part == "" || part != metric || len(part) > room {
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(metric)) // a hash never fails
		mark := fmt.Sprintf("%06x", sum.Sum32()&0xffffff)
		part = strings.Trim(part[:max(0, min(len(part), room-len(mark)-1))]+"-"+mark, "-")
	}
	return fmt.Sprintf("%s.%s.%d", run.UID, part, number)
}

// allowed replaces what cannot stand in the name of a Job.
func allowed(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
		return r
	case r >= 'A' && r <= 'Z':
		return r + 'a' - 'A'
	}
	return '-'
}

// withoutImage says if no pod of a Job can start because of its image: such a Job would never end.
func (p *Provider) withoutImage(ctx context.Context, job *batchv1.Job) (string, error) {
	if p.now().Sub(job.CreationTimestamp.Time) < pulling {
		return "", nil
	}
	var pods corev1.PodList
	if err := p.Live.List(ctx, &pods, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name}); err != nil {
		return "", fmt.Errorf("looking at the pods of job %s: %w", job.Name, err)
	}
	for _, pod := range pods.Items {
		for _, s := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			if w := s.State.Waiting; w != nil {
				switch w.Reason {
				case "ErrImagePull", "ImagePullBackOff", "InvalidImageName":
					return fmt.Sprintf("container %s cannot start: %s", s.Name, w.Reason), nil
				}
			}
		}
	}
	return "", nil
}

// later asks for another look after sqrt(2 × elapsed seconds), as the wire contract has it; a change of the Job comes sooner by itself.
func (p *Provider) later(previous *v1alpha1.Measurement, message string) analysis.Reading {
	wait := time.Second
	if previous.StartedAt != nil {
		wait = max(wait, time.Duration(math.Sqrt(2*p.now().Sub(previous.StartedAt.Time).Seconds())*float64(time.Second)))
	}
	return analysis.Reading{Phase: v1alpha1.AnalysisPhaseRunning, ResumeAfter: wait, Message: message}
}

func (p *Provider) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}
