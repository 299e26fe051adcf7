package health

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

func pod(o *unstructured.Unstructured) gitsync.Health {
	stays := staysUp(o)
	if stays {
		if why := stuck(o); why != "" {
			return degraded(why)
		}
	}
	message := text(o.Object, "status", "message")
	switch text(o.Object, "status", "phase") {
	case "Pending":
		return progressing(message)
	case "Succeeded":
		return healthy(message)
	case "Failed":
		if message == "" {
			message = failureOf(o)
		}
		return degraded(message)
	case "Running":
		return runningPod(o, stays, message)
	}
	return gitsync.Health{Status: gitsync.Unknown, Message: message}
}

// staysUp reports whether a pod is there to run and not to come to an end.
func staysUp(o *unstructured.Unstructured) bool {
	if policy := text(o.Object, "spec", "restartPolicy"); policy == "Always" || policy == "" {
		return true
	}
	_, hook := gitsync.HooksOf(o)
	return !hook && o.GetAnnotations()[gitopsv1.AnnotationIgnoreRestartPolicy] == "true"
}

// containersOf lists what is known of the containers of a pod.
func containersOf(o *unstructured.Unstructured) (all []map[string]any) {
	for _, item := range slices.Concat(list(o.Object, "status", "initContainerStatuses"), list(o.Object, "status", "containerStatuses")) {
		if c, ok := item.(map[string]any); ok {
			all = append(all, c)
		}
	}
	return all
}

// stuck says why a container cannot start or keeps failing; empty if none does.
func stuck(o *unstructured.Unstructured) string {
	var messages []string
	for _, c := range containersOf(o) {
		reason := text(c, "state", "waiting", "reason")
		if !strings.HasPrefix(reason, "Err") && !strings.HasSuffix(reason, "Error") && !strings.HasSuffix(reason, "BackOff") {
			continue
		}
		message := text(c, "state", "waiting", "message")
		if message == "" {
			message = reason
		}
		messages = append(messages, message)
	}
	return strings.Join(messages, ", ")
}

// failureOf says how a container ended badly.
func failureOf(o *unstructured.Unstructured) string {
	for _, c := range containersOf(o) {
		code := count(c, "state", "terminated", "exitCode")
		reason, message := text(c, "state", "terminated", "reason"), text(c, "state", "terminated", "message")
		switch {
		case message != "":
			return message
		case reason == "OOMKilled":
			return reason
		case code != 0:
			return fmt.Sprintf("container %q failed with exit code %d", text(c, "name"), code)
		}
	}
	return ""
}

func runningPod(o *unstructured.Unstructured, stays bool, message string) gitsync.Health {
	switch {
	case !stays:
		return progressing(message)
	case conditionOf(o, "Ready").status == "True":
		return healthy(message)
	}
	for _, c := range containersOf(o) {
		if at(c, "lastState", "terminated") != nil {
			if message == "" {
				message = fmt.Sprintf("container %q is not ready and ended before", text(c, "name"))
			}
			return degraded(message)
		}
	}
	return progressing(message)
}
