package verb

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// TerminateAnalysisRun ends an AnalysisRun; what was measured so far decides its verdict.
func TerminateAnalysisRun(ctx context.Context, c client.Client, key client.ObjectKey) (string, error) {
	return terminate(ctx, c, &v1alpha1.AnalysisRun{}, "analysisrun", key)
}

// TerminateExperiment ends an Experiment and the runs that belong to it.
func TerminateExperiment(ctx context.Context, c client.Client, key client.ObjectKey) (string, error) {
	return terminate(ctx, c, &v1alpha1.Experiment{}, "experiment", key)
}

func terminate(ctx context.Context, c client.Client, o client.Object, kind string, key client.ObjectKey) (string, error) {
	o.SetNamespace(key.Namespace)
	o.SetName(key.Name)
	if err := patchSpec(ctx, c, o, fields{"terminate": true}); err != nil {
		return "", fmt.Errorf("terminating %s %s: %w", kind, key, err)
	}
	return fmt.Sprintf("%s %s: termination asked for", kind, key), nil
}
