package action

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// rolloutActions write what the wire contract of Rollouts takes as mail from a user.
var rolloutActions = []maker{
	{
		Action:  Action{Name: "resume"},
		enabled: isPaused,
		make: func(o *unstructured.Unstructured, _ input) ([]Change, error) {
			if len(pauseConditions(o)) > 0 {
				if err := unstructured.SetNestedField(o.Object, nil, "status", "pauseConditions"); err != nil {
					return nil, err
				}
			}
			if yes(o, "spec", "paused") {
				return set(o, false, "spec", "paused")
			}
			return []Change{{Object: o}}, nil
		},
	},
	{
		Action: Action{Name: "pause"},
		enabled: func(o *unstructured.Unstructured) bool {
			return !isPaused(o) && !yes(o, "spec", "paused") && !yes(o, "status", "abort")
		},
		make: func(o *unstructured.Unstructured, _ input) ([]Change, error) { return set(o, true, "spec", "paused") },
	},
	{
		Action: Action{Name: "restart", DisplayName: "Restart Pods"},
		make: func(o *unstructured.Unstructured, in input) ([]Change, error) {
			return set(o, stamp(in.now), "spec", "restartAt")
		},
	},
	{
		Action:  Action{Name: "abort"},
		enabled: func(o *unstructured.Unstructured) bool { return !isStable(o) && !yes(o, "status", "abort") },
		make:    func(o *unstructured.Unstructured, _ input) ([]Change, error) { return set(o, true, "status", "abort") },
	},
	{
		Action:  Action{Name: "retry"},
		enabled: func(o *unstructured.Unstructured) bool { return !isStable(o) && yes(o, "status", "abort") },
		make:    func(o *unstructured.Unstructured, _ input) ([]Change, error) { return set(o, nil, "status", "abort") },
	},
	{
		Action:  Action{Name: "promote-full"},
		enabled: func(o *unstructured.Unstructured) bool { return text(o, "status", "currentPodHash") != stableOf(o) },
		make: func(o *unstructured.Unstructured, _ input) ([]Change, error) {
			return set(o, true, "status", "promoteFull")
		},
	},
	{
		Action:  Action{Name: "skip-current-step"},
		enabled: func(o *unstructured.Unstructured) bool { _, left := currentStep(o); return left },
		make: func(o *unstructured.Unstructured, _ input) ([]Change, error) {
			step, _ := currentStep(o)
			return set(o, step+1, "status", "currentStepIndex")
		},
	},
}

func pauseConditions(o *unstructured.Unstructured) []any {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "pauseConditions")
	return conditions
}

func isPaused(o *unstructured.Unstructured) bool {
	return len(pauseConditions(o)) > 0 || yes(o, "spec", "paused")
}

// isStable reports whether the newest revision is the one that everybody has.
func isStable(o *unstructured.Unstructured) bool {
	current, found, _ := unstructured.NestedString(o.Object, "status", "currentPodHash")
	return found && current == text(o, "status", "stableRS")
}

// stableOf is the revision that everybody has, which controllers before 1.0 noted elsewhere.
func stableOf(o *unstructured.Unstructured) string {
	for _, path := range [][]string{{"status", "stableRS"}, {"status", "canary", "stableRS"}, {"status", "blueGreen", "activeSelector"}} {
		if hash := text(o, path...); hash != "" {
			return hash
		}
	}
	return ""
}

// currentStep is the index of the step that a canary is at; left is false if there is none any more.
func currentStep(o *unstructured.Unstructured) (step int64, left bool) {
	steps, _, _ := unstructured.NestedSlice(o.Object, "spec", "strategy", "canary", "steps")
	step, found, _ := unstructured.NestedInt64(o.Object, "status", "currentStepIndex")
	return step, found && step < int64(len(steps))
}
