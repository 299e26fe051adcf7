package v1alpha1

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/utils/ptr"
)

// States of one template of an Experiment, as they stand in its status.
const (
	TemplateStatusPending     = "Pending"
	TemplateStatusProgressing = "Progressing"
	TemplateStatusRunning     = "Running"
	TemplateStatusSuccessful  = "Successful"
	TemplateStatusFailed      = "Failed"
	TemplateStatusError       = "Error"
)

// Values of specRef in a template of an experiment step.
const (
	SpecRefStable = "stable"
	SpecRefCanary = "canary"
)

// TemplateReplicas is the number of pods of a template; 1 if absent.
func TemplateReplicas(t *TemplateSpec) int32 {
	return ptr.Deref(t.Replicas, DefaultReplicas)
}

// ExperimentProgressDeadlineSeconds is how long a template may stand still before it is available; 600 if absent.
func ExperimentProgressDeadlineSeconds(e *Experiment) int32 {
	return ptr.Deref(e.Spec.ProgressDeadlineSeconds, DefaultProgressDeadlineSeconds)
}

// ExperimentScaleDownDelaySeconds is how long the pods are kept after the end; 30 if absent.
func ExperimentScaleDownDelaySeconds(e *Experiment) int32 {
	return ptr.Deref(e.Spec.ScaleDownDelaySeconds, DefaultScaleDownDelaySeconds)
}

// ExperimentSetName is the name of the ReplicaSet of a template.
func ExperimentSetName(e *Experiment, template string) string { return e.Name + "-" + template }

// longestServiceName is how long the name of a Service may be.
const longestServiceName = 63

// ExperimentServiceName is the name of the Service of a template: its own, or that of the ReplicaSet, of which only a hash stands for the end
// where a Service may not have so long a name. It is empty if the template has none.
func ExperimentServiceName(e *Experiment, t *TemplateSpec) string {
	switch {
	case t.Service == nil:
		return ""
	case t.Service.Name != "":
		return t.Service.Name
	}
	name := ExperimentSetName(e, t.Name)
	if len(name) <= longestServiceName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := encodeHash(binary.BigEndian.Uint64(sum[:8]))
	return strings.TrimRight(name[:longestServiceName-len(hash)-1], "-.") + "-" + hash
}

// ExperimentWeights are the traffic shares of the templates of an Experiment, by name; nil if none is or can still be sent requests.
func ExperimentWeights(e *Experiment) (map[string]int32, error) {
	text, ok := e.Annotations[AnnotationExperimentWeights]
	if !ok {
		return nil, nil
	}
	weights := map[string]int32{}
	if err := json.Unmarshal([]byte(text), &weights); err != nil {
		return nil, fmt.Errorf("reading annotation %s of Experiment %s: %w", AnnotationExperimentWeights, e.Name, err)
	}
	return weights, nil
}
