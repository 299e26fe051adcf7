package action

import (
	"errors"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// minuteOf ends the names of what is run once. Asked for twice in a minute, the second is refused by the server, because the first is there.
const minuteOf = "200601021504"

// child is a new object that belongs to the one of the action.
func child(of *unstructured.Unstructured, apiVersion, kind string, in input) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	o.SetName(of.GetName() + "-" + in.now.Format(minuteOf))
	o.SetNamespace(of.GetNamespace())
	owner := map[string]any{"apiVersion": of.GetAPIVersion(), "kind": of.GetKind(), "name": of.GetName()}
	if uid := of.GetUID(); uid != "" {
		owner["uid"] = string(uid)
	}
	metadata, _ := o.Object["metadata"].(map[string]any)
	metadata["ownerReferences"] = []any{owner}
	return o
}

func fromCronJob(o *unstructured.Unstructured, in input) ([]Change, error) {
	template := tree(o, "spec", "jobTemplate")
	spec, _ := template["spec"].(map[string]any)
	if spec == nil {
		return nil, errors.New("it has no spec.jobTemplate.spec")
	}
	job := child(o, "batch/v1", "Job", in)
	from := &unstructured.Unstructured{Object: template}
	job.SetLabels(from.GetLabels())
	annotations := map[string]string{"cronjob.kubernetes.io/instantiate": "manual"}
	maps.Copy(annotations, from.GetAnnotations())
	job.SetAnnotations(annotations)
	job.Object["spec"] = spec
	return []Change{{Create: true, Object: job}}, nil
}

func fromCronWorkflow(o *unstructured.Unstructured, in input) ([]Change, error) {
	spec := tree(o, "spec", "workflowSpec")
	if spec == nil {
		return nil, errors.New("it has no spec.workflowSpec")
	}
	w := child(o, o.GetAPIVersion(), "Workflow", in)
	meant := &unstructured.Unstructured{Object: map[string]any{"metadata": tree(o, "spec", "workflowMetadata")}}
	const instance = "workflows.argoproj.io/controller-instanceid"
	labels := map[string]string{"workflows.argoproj.io/cron-workflow": o.GetName()}
	if id := o.GetLabels()[instance]; id != "" {
		labels[instance] = id
	}
	maps.Copy(labels, meant.GetLabels())
	w.SetLabels(labels)
	annotations := map[string]string{"workflows.argoproj.io/scheduled-time": in.now.Format(time.RFC3339)}
	maps.Copy(annotations, meant.GetAnnotations())
	w.SetAnnotations(annotations)
	w.SetFinalizers(meant.GetFinalizers())
	w.Object["spec"] = spec
	return []Change{{Create: true, Object: w}}, nil
}

func fromWorkflowTemplate(o *unstructured.Unstructured, in input) ([]Change, error) {
	w := child(o, o.GetAPIVersion(), "Workflow", in)
	w.SetLabels(map[string]string{"workflows.argoproj.io/workflow-template": o.GetName()})
	w.Object["spec"] = map[string]any{"workflowTemplateRef": map[string]any{"name": o.GetName()}}
	return []Change{{Create: true, Object: w}}, nil
}
