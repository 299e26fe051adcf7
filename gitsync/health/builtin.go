package health

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/gitsync"
)

func job(o *unstructured.Unstructured) gitsync.Health {
	failed, complete, paused := conditionOf(o, "Failed"), conditionOf(o, "Complete"), conditionOf(o, "Suspended")
	switch {
	case failed.status == "True":
		return degraded(failed.message)
	case paused.status == "True":
		return suspended(paused.message)
	case complete.status == "True":
		return healthy(complete.message)
	}
	return progressing("")
}

func service(o *unstructured.Unstructured) gitsync.Health {
	if text(o.Object, "spec", "type") == "LoadBalancer" && len(list(o.Object, "status", "loadBalancer", "ingress")) == 0 {
		return progressing("")
	}
	return healthy("")
}

// ingress waits for an address, whatever the class of the Ingress; a class whose controller gives none needs a check of its own.
func ingress(o *unstructured.Unstructured) gitsync.Health {
	if len(list(o.Object, "status", "loadBalancer", "ingress")) == 0 {
		return progressing("")
	}
	return healthy("")
}

func claim(o *unstructured.Unstructured) gitsync.Health {
	switch text(o.Object, "status", "phase") {
	case "Bound":
		return healthy("")
	case "Pending":
		return progressing("")
	case "Lost":
		return degraded("")
	}
	return gitsync.Health{Status: gitsync.Unknown}
}

func apiService(o *unstructured.Unstructured) gitsync.Health {
	available := conditionOf(o, "Available")
	message := available.reason + ": " + available.message
	switch {
	case !available.found:
		return progressing("Waiting to be processed")
	case available.status == "True":
		return healthy(message)
	}
	return progressing(message)
}

// annotationConditions holds the conditions of an autoscaler of version v1, which has no field for them.
const annotationConditions = "autoscaling.alpha.kubernetes.io/conditions"

// broken are the reasons for which an autoscaler does nothing.
var broken = []string{"FailedGetScale", "FailedUpdateScale", "FailedGetResourceMetric", "InvalidSelector"}

func autoscaler(o *unstructured.Unstructured) gitsync.Health {
	conditions := conditionsOf(o)
	if len(conditions) == 0 {
		if err := yaml.Unmarshal([]byte(o.GetAnnotations()[annotationConditions]), &conditions); err != nil {
			return gitsync.Health{Status: gitsync.Unknown, Message: "the annotation " + annotationConditions + " cannot be read"}
		}
	}
	for _, c := range conditions {
		if name := text(c, "type"); slices.Contains(broken, text(c, "reason")) && (name == "AbleToScale" || name == "ScalingActive") {
			return degraded(text(c, "message"))
		}
		if name := text(c, "type"); text(c, "status") == "True" && (name == "AbleToScale" || name == "ScalingLimited") {
			return healthy(text(c, "message"))
		}
	}
	return progressing("Waiting to Autoscale")
}
