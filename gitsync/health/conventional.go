package health

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-delivery/sluice/gitsync"
)

// conventional judges a kind of which nothing is known by the conventions for conditions that kstatus describes
// (https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus): an object that shows none of them has no health. What is not ready is
// Progressing, because by the conventions only Stalled says that nobody goes on trying.
func conventional(o *unstructured.Unstructured, _ time.Time) (gitsync.Health, error) {
	ready, reconciling, stalled := conditionOf(o, "Ready"), conditionOf(o, "Reconciling"), conditionOf(o, "Stalled")
	_, observes := number(o.Object, "status", "observedGeneration")
	switch {
	case !ready.found && !reconciling.found && !stalled.found && !observes:
		return gitsync.Health{}, nil
	case lags(o), ready.hasObserved && ready.observed < float64(o.GetGeneration()):
		return progressing(fmt.Sprintf("waiting for generation %d to be observed", o.GetGeneration())), nil
	case stalled.status == "True":
		return gitsync.Health{Status: gitsync.Degraded, Message: stalled.message}, nil
	case reconciling.status == "True":
		return progressing(reconciling.message), nil
	case ready.found && ready.status != "True":
		return progressing(ready.message), nil
	}
	return healthy(ready.message), nil
}

func healthy(message string) gitsync.Health {
	return gitsync.Health{Status: gitsync.Healthy, Message: message}
}

func progressing(message string) gitsync.Health {
	return gitsync.Health{Status: gitsync.Progressing, Message: message}
}

func degraded(message string) gitsync.Health {
	return gitsync.Health{Status: gitsync.Degraded, Message: message}
}

func suspended(message string) gitsync.Health {
	return gitsync.Health{Status: gitsync.Suspended, Message: message}
}
