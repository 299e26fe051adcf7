package action

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// builtIn are the actions by kind, as group/Kind.
var builtIn = map[string][]maker{
	"argoproj.io/Rollout":          rolloutActions,
	"argoproj.io/AnalysisRun":      {terminate},
	"argoproj.io/Experiment":       {terminate},
	"argoproj.io/CronWorkflow":     {{Action: Action{Name: "create-workflow"}, make: fromCronWorkflow}, suspend, unsuspend},
	"argoproj.io/WorkflowTemplate": {{Action: Action{Name: "create-workflow"}, make: fromWorkflowTemplate}},
	"apps/Deployment":              {restart, scale, pause, resume},
	"apps/StatefulSet":             {restart, scale},
	"apps/DaemonSet":               {restart},
	"batch/CronJob":                {{Action: Action{Name: "create-job"}, make: fromCronJob}, suspend, unsuspend},
	"batch/Job":                    {suspend, unsuspend},
}

var (
	restart = maker{Action: Action{Name: "restart"}, make: func(o *unstructured.Unstructured, in input) ([]Change, error) {
		return set(o, stamp(in.now), "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")
	}}
	pause     = flag("pause", "paused", true)
	resume    = flag("resume", "paused", false)
	suspend   = flag("suspend", "suspend", true)
	unsuspend = flag("resume", "suspend", false)
	scale     = maker{Action: Action{Name: "scale", Parameters: []string{"replicas"}}, make: scaled}
	terminate = maker{
		Action: Action{Name: "terminate"},
		enabled: func(o *unstructured.Unstructured) bool {
			switch text(o, "status", "phase") {
			case "Successful", "Failed", "Error", "Inconclusive":
				return false
			}
			return !yes(o, "spec", "terminate")
		},
		make: func(o *unstructured.Unstructured, _ input) ([]Change, error) {
			return set(o, true, "spec", "terminate")
		},
	}
)

// flag is an action that makes a field of spec true or false, and makes sense where it is not.
func flag(name, field string, value bool) maker {
	return maker{
		Action:  Action{Name: name},
		enabled: func(o *unstructured.Unstructured) bool { return yes(o, "spec", field) != value },
		make:    func(o *unstructured.Unstructured, _ input) ([]Change, error) { return set(o, value, "spec", field) },
	}
}

func scaled(o *unstructured.Unstructured, in input) ([]Change, error) {
	const most = 1 << 20
	n, err := strconv.ParseInt(in.parameters["replicas"], 10, 32)
	if err != nil || n < 0 || n > most {
		return nil, fmt.Errorf("the parameter replicas must be a number from 0 to %d, not %q", most, in.parameters["replicas"])
	}
	return set(o, n, "spec", "replicas")
}

// stamp writes a time as Kubernetes does.
func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// set gives an object with another value at a path.
func set(o *unstructured.Unstructured, value any, path ...string) ([]Change, error) {
	if err := unstructured.SetNestedField(o.Object, value, path...); err != nil {
		return nil, errors.New("a field on the way is no object: " + err.Error())
	}
	return []Change{{Object: o}}, nil
}

func text(o *unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(o.Object, path...)
	return s
}

func yes(o *unstructured.Unstructured, path ...string) bool {
	b, _, _ := unstructured.NestedBool(o.Object, path...)
	return b
}

func tree(o *unstructured.Unstructured, path ...string) map[string]any {
	m, _, _ := unstructured.NestedMap(o.Object, path...)
	return m
}
