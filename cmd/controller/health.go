package main

import (
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-delivery/sluice/gitsync"
)

// healthOf judges Rollouts by their phase; other kinds have no check.
func healthOf(o *unstructured.Unstructured) gitsync.Health {
	if o.GetKind() != "Rollout" {
		return gitsync.Health{}
	}
	phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	message, _, _ := unstructured.NestedString(o.Object, "status", "message")
	observed, _, _ := unstructured.NestedString(o.Object, "status", "observedGeneration")
	switch {
	case observed != strconv.FormatInt(o.GetGeneration(), 10) || phase == "":
		return gitsync.Health{Status: gitsync.Progressing, Message: "the change has not been taken up yet"}
	case phase == "Paused":
		return gitsync.Health{Status: gitsync.Suspended, Message: message}
	}
	return gitsync.Health{Status: gitsync.HealthStatus(phase), Message: message}
}
