package view

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// LoadApplication reads one Application.
func LoadApplication(ctx context.Context, c client.Reader, key client.ObjectKey) (*gitopsv1.Application, error) {
	app := &gitopsv1.Application{}
	if err := c.Get(ctx, key, app); err != nil {
		return nil, fmt.Errorf("reading application %s: %w", key, err)
	}
	return app, nil
}

// LoadApplications reads the Applications of a namespace, or of all if it is empty, that a selector picks, sorted by namespace and name.
func LoadApplications(ctx context.Context, c client.Reader, namespace string, only labels.Selector) ([]gitopsv1.Application, error) {
	var list gitopsv1.ApplicationList
	if err := c.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: only}); err != nil {
		return nil, fmt.Errorf("listing applications: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b gitopsv1.Application) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return list.Items, nil
}

// WatchApplication calls show with an Application at once and after each change, until ctx ends, show returns an error or the Application is gone
// (a NotFound error). Trouble is why what is shown may be out of date.
func WatchApplication(ctx context.Context, c client.WithWatch, key client.ObjectKey, show func(app *gitopsv1.Application, trouble error) error) error {
	s := newStage(c)
	only := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", key.Name)}
	apps := follow[gitopsv1.Application](s, "applications", &gitopsv1.ApplicationList{}, client.InNamespace(key.Namespace), only)
	return s.play(ctx, func(trouble error) error {
		for _, app := range apps.all() {
			if app.Name == key.Name {
				return show(&app, trouble)
			}
		}
		return apierrors.NewNotFound(gitopsv1.GroupVersion.WithResource("applications").GroupResource(), key.String())
	})
}

// SyncTone is how a sync state should strike the eye.
func SyncTone(s gitopsv1.SyncStatusCode) Tone {
	switch s {
	case gitopsv1.SyncSynced:
		return ToneGood
	case gitopsv1.SyncOutOfSync:
		return TonePaused
	}
	return ToneUnsure
}

// HealthTone is how a health should strike the eye.
func HealthTone(h gitopsv1.HealthCode) Tone {
	switch h {
	case gitopsv1.HealthHealthy:
		return ToneGood
	case gitopsv1.HealthProgressing:
		return ToneBusy
	case gitopsv1.HealthSuspended:
		return TonePaused
	case gitopsv1.HealthDegraded:
		return ToneBad
	}
	return ToneUnsure
}

// OperationTone is how the phase of an operation should strike the eye.
func OperationTone(p gitopsv1.OperationPhase) Tone {
	switch p {
	case gitopsv1.OperationSucceeded:
		return ToneGood
	case gitopsv1.OperationFailed, gitopsv1.OperationError:
		return ToneBad
	}
	return ToneBusy
}

// SyncPolicy is how an Application is synced, in one word or two: Manual, Auto or Auto-Prune.
func SyncPolicy(spec gitopsv1.ApplicationSpec) string {
	switch {
	case !gitopsv1.IsAutomated(spec):
		return "Manual"
	case gitopsv1.Prunes(spec):
		return "Auto-Prune"
	}
	return "Auto"
}

// Revisions are the commits that were compared.
func Revisions(app *gitopsv1.Application) []string {
	if gitopsv1.HasSeveralSources(app.Spec) {
		return app.Status.Sync.Revisions
	}
	if app.Status.Sync.Revision == "" {
		return nil
	}
	return []string{app.Status.Sync.Revision}
}

// Conditions are the types of an Application's conditions, each once.
func Conditions(app *gitopsv1.Application) (types []string) {
	for _, c := range app.Status.Conditions {
		if !slices.Contains(types, string(c.Type)) {
			types = append(types, string(c.Type))
		}
	}
	return types
}

// ClusterOf names a destination cluster as the spec does, and the cluster of the controller by its name.
func ClusterOf(d gitopsv1.Destination) string {
	if d.Server == gitopsv1.InClusterServer {
		return gitopsv1.InClusterName
	}
	return cmp.Or(d.Name, d.Server)
}
