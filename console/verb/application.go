package verb

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func namedApp(key client.ObjectKey) string { return "application " + key.String() }

func refuseApp(key client.ObjectKey, format string, args ...any) error {
	return &Refused{Object: namedApp(key), Why: fmt.Sprintf(format, args...)}
}

func saidApp(key client.ObjectKey, format string, args ...any) string {
	return namedApp(key) + ": " + fmt.Sprintf(format, args...)
}

func loadApp(ctx context.Context, c client.Client, key client.ObjectKey) (*gitopsv1.Application, error) {
	app := &gitopsv1.Application{}
	err := c.Get(ctx, key, app)
	if apierrors.IsNotFound(err) {
		return nil, refuseApp(key, "does not exist")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", namedApp(key), err)
	}
	return app, nil
}

// patchApp reads an Application and sends what change makes of it as a merge patch that holds only for the version that was read; after a conflict
// it looks again. change gives the patch, or nothing if there is nothing to do.
func patchApp(ctx context.Context, c client.Client, key client.ObjectKey, change func(*gitopsv1.Application) (fields, error)) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		app, err := loadApp(ctx, c, key)
		if err != nil {
			return err
		}
		body, err := change(app)
		if err != nil || body == nil {
			return err
		}
		metadata, _ := body["metadata"].(fields)
		if metadata == nil {
			metadata = fields{}
		}
		metadata["resourceVersion"] = app.ResourceVersion
		body["metadata"] = metadata
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("writing the patch: %w", err)
		}
		return c.Patch(ctx, app, client.RawPatch(types.MergePatchType, raw))
	})
}

// underWay reports whether an operation runs or is asked for.
func underWay(app *gitopsv1.Application) bool {
	s := app.Status.OperationState
	return app.Operation != nil || s != nil && !s.Phase.Completed()
}

// SyncOptions is what a sync should do besides; its zero value syncs everything to what the spec asks for.
type SyncOptions struct {
	Operation gitopsv1.SyncOperation
	// Except are objects to be left out; it cannot be set together with Operation.Resources.
	Except []gitopsv1.SyncResource
	Retry  *gitopsv1.RetryStrategy
	Info   []gitopsv1.Info
	// User is told as the one who asked.
	User string
}

// SyncApplication asks for a sync, through the field that every client uses.
func SyncApplication(ctx context.Context, c client.Client, key client.ObjectKey, o SyncOptions) (string, error) {
	err := patchApp(ctx, c, key, func(app *gitopsv1.Application) (fields, error) {
		if underWay(app) {
			return nil, refuseApp(key, "another operation is under way: wait for it, or end it with terminate-op")
		}
		if app.DeletionTimestamp != nil {
			return nil, refuseApp(key, "it is being deleted")
		}
		op := gitopsv1.Operation{Sync: o.Operation.DeepCopy(), InitiatedBy: gitopsv1.OperationInitiator{Username: o.User}, Info: o.Info}
		if len(op.Sync.SyncOptions) == 0 {
			op.Sync.SyncOptions = gitopsv1.SyncOptions(app.Spec)
		} else {
			op.Sync.SyncOptions = append(slices.Clone(op.Sync.SyncOptions), gitopsv1.SyncOptions(app.Spec)...)
		}
		op.Retry = gitopsv1.RetryOf(app.Spec)
		if o.Retry != nil {
			op.Retry = *o.Retry
		}
		if automatic := gitopsv1.IsAutomated(app.Spec); automatic && len(op.Sync.Manifests) > 0 && !op.Sync.DryRun {
			return nil, refuseApp(key, "automated sync is on and would undo local manifests: switch it off first (set --sync-policy none)")
		}
		if err := chooseResources(key, app, op.Sync, o.Except); err != nil {
			return nil, err
		}
		return fields{"operation": op}, nil
	})
	if err != nil {
		return "", whileDoing(err, "syncing", key)
	}
	return saidApp(key, "sync asked for"), nil
}

// chooseResources checks what a partial sync names, or turns exceptions into what is left.
func chooseResources(key client.ObjectKey, app *gitopsv1.Application, sync *gitopsv1.SyncOperation, except []gitopsv1.SyncResource) error {
	known := func(r gitopsv1.SyncResource) bool {
		return slices.ContainsFunc(app.Status.Resources, func(s gitopsv1.ResourceStatus) bool { return SelectsResource(r, s) })
	}
	for _, r := range slices.Concat(sync.Resources, except) {
		if len(app.Status.Resources) > 0 && !known(r) {
			return refuseApp(key, "it has no resource %s: app resources lists them", strings.Join([]string{r.Group, r.Kind, r.Name}, ":"))
		}
	}
	if len(except) == 0 {
		return nil
	}
	for _, s := range app.Status.Resources {
		if !s.Hook && !slices.ContainsFunc(except, func(r gitopsv1.SyncResource) bool { return SelectsResource(r, s) }) {
			sync.Resources = append(sync.Resources, gitopsv1.SyncResource{Group: s.Group, Kind: s.Kind, Name: s.Name, Namespace: s.Namespace})
		}
	}
	if len(sync.Resources) == 0 {
		return refuseApp(key, "nothing is left to sync without what is left out")
	}
	return nil
}

// SelectsResource reports whether a resource of an Application is the one that is named; * stands for any group, kind or name, and no namespace for any.
func SelectsResource(r gitopsv1.SyncResource, s gitopsv1.ResourceStatus) bool {
	is := func(wanted, have string) bool { return wanted == "*" || wanted == have }
	return is(r.Group, s.Group) && is(r.Kind, s.Kind) && is(r.Name, s.Name) && (r.Namespace == "" || is(r.Namespace, s.Namespace))
}

// Rollback asks for a sync to what was deployed under a number of the history, without hooks, as every client of the API does it. While automated
// sync is on it is refused, because that would return to the newest commit at once.
func Rollback(ctx context.Context, c client.Client, key client.ObjectKey, id int64, prune bool, user string) (string, error) {
	var to gitopsv1.RevisionHistory
	err := patchApp(ctx, c, key, func(app *gitopsv1.Application) (fields, error) {
		switch {
		case gitopsv1.IsAutomated(app.Spec):
			return nil, refuseApp(key, "automated sync is on and would undo it at once: revert the commit in Git, or switch it off first (set --sync-policy none)")
		case underWay(app):
			return nil, refuseApp(key, "another operation is under way: wait for it, or end it with terminate-op")
		}
		i := slices.IndexFunc(app.Status.History, func(h gitopsv1.RevisionHistory) bool { return h.ID == id })
		if id < 0 { // the one before the last
			i = len(app.Status.History) - 2
		}
		if i < 0 {
			return nil, refuseApp(key, "its history has no such entry: app history lists them")
		}
		to = app.Status.History[i]
		sync := &gitopsv1.SyncOperation{
			Revision: to.Revision, Revisions: to.Revisions, Sources: to.Sources, Prune: prune,
			SyncOptions: gitopsv1.SyncOptions(app.Spec), SyncStrategy: &gitopsv1.SyncStrategy{Apply: &gitopsv1.SyncStrategyApply{}},
		}
		if len(to.Sources) == 0 {
			sync.Source = &to.Source
		}
		return fields{"operation": gitopsv1.Operation{Sync: sync, InitiatedBy: gitopsv1.OperationInitiator{Username: user}}}, nil
	})
	if err != nil {
		return "", whileDoing(err, "rolling back", key)
	}
	return saidApp(key, "return to history entry %d (%s) asked for", to.ID, strings.Join(append(slices.Clone(to.Revisions), to.Revision), " ")), nil
}

// TerminateOperation asks for the end of the operation under way, or takes back one that no controller has taken up.
func TerminateOperation(ctx context.Context, c client.Client, key client.ObjectKey) (string, error) {
	said := "end of the operation asked for"
	err := patchApp(ctx, c, key, func(app *gitopsv1.Application) (fields, error) {
		s := app.Status.OperationState
		switch {
		case app.Operation == nil:
			return nil, refuseApp(key, "no operation is under way")
		case s == nil, s.Phase.Completed():
			said = "operation taken back, before anything was done"
			return fields{"operation": nil}, nil
		}
		return fields{"status": fields{"operationState": fields{"phase": gitopsv1.OperationTerminating}}}, nil
	})
	if err != nil {
		return "", whileDoing(err, "terminating the operation of", key)
	}
	return saidApp(key, "%s", said), nil
}

// RefreshApplication asks for a look at the repository; hard also renders anew.
func RefreshApplication(ctx context.Context, c client.Client, key client.ObjectKey, hard bool) (string, error) {
	value := gitopsv1.RefreshNormal
	if hard {
		value = gitopsv1.RefreshHard
	}
	err := patchApp(ctx, c, key, func(*gitopsv1.Application) (fields, error) {
		return fields{"metadata": fields{"annotations": fields{gitopsv1.AnnotationRefresh: value}}}, nil
	})
	if err != nil {
		return "", whileDoing(err, "refreshing", key)
	}
	return saidApp(key, "refresh asked for"), nil
}

// ApproveDeletion lets deletions go on that ask for a confirmation.
func ApproveDeletion(ctx context.Context, c client.Client, key client.ObjectKey, now time.Time) (string, error) {
	err := patchApp(ctx, c, key, func(*gitopsv1.Application) (fields, error) {
		return fields{"metadata": fields{"annotations": fields{gitopsv1.AnnotationDeletionApproved: now.UTC().Format(time.RFC3339)}}}, nil
	})
	if err != nil {
		return "", whileDoing(err, "approving deletions of", key)
	}
	return saidApp(key, "deletions approved"), nil
}

// DeleteApplication deletes an Application, with its resources if cascade is true. Propagation is foreground or background.
func DeleteApplication(ctx context.Context, c client.Client, key client.ObjectKey, cascade bool, propagation string) (string, error) {
	finalizer := gitopsv1.FinalizerResources
	switch propagation {
	case "background":
		finalizer = gitopsv1.FinalizerResourcesBackground
	case "", "foreground":
	default:
		return "", fmt.Errorf("the propagation policy is foreground or background, not %q", propagation)
	}
	if !cascade {
		finalizer = ""
	}
	err := patchApp(ctx, c, key, func(app *gitopsv1.Application) (fields, error) {
		kept := finalizers(app.Finalizers, finalizer)
		if slices.Equal(kept, app.Finalizers) || app.DeletionTimestamp != nil && cascade {
			return nil, nil
		}
		return fields{"metadata": fields{"finalizers": kept}}, nil
	})
	if err != nil {
		return "", whileDoing(err, "deleting", key)
	}
	app := &gitopsv1.Application{}
	app.Namespace, app.Name = key.Namespace, key.Name
	if err := c.Delete(ctx, app); err != nil && !apierrors.IsNotFound(err) {
		return "", fmt.Errorf("deleting %s: %w", namedApp(key), err)
	}
	if cascade {
		return saidApp(key, "deletion asked for, its resources go first"), nil
	}
	return saidApp(key, "deletion asked for, its resources stay"), nil
}

// finalizers are those of an Application that is deleted with its resources, by the finalizer that says so, or without them and any hook.
func finalizers(before []string, cascade string) []string {
	kept := slices.DeleteFunc(slices.Clone(before), func(f string) bool {
		return f == gitopsv1.FinalizerResources || strings.HasPrefix(f, gitopsv1.FinalizerResources+"/") ||
			cascade == "" && (strings.HasPrefix(f, gitopsv1.FinalizerPreDelete) || strings.HasPrefix(f, gitopsv1.FinalizerPostDelete))
	})
	if cascade == "" {
		return kept
	}
	return append(kept, cascade)
}

// CreateApplication creates an Application; with upsert it gives one that exists the spec, labels and annotations of this one.
func CreateApplication(ctx context.Context, c client.Client, app *gitopsv1.Application, upsert bool) (string, error) {
	key := client.ObjectKeyFromObject(app)
	err := c.Create(ctx, app.DeepCopy())
	switch {
	case err == nil:
		return saidApp(key, "created"), nil
	case !apierrors.IsAlreadyExists(err):
		return "", fmt.Errorf("creating %s: %w", namedApp(key), err)
	case !upsert:
		return "", refuseApp(key, "exists already: --upsert changes it")
	}
	return ChangeApplication(ctx, c, key, func(there *gitopsv1.Application) error {
		there.Spec = app.Spec
		there.Labels, there.Annotations = merged(there.Labels, app.Labels), merged(there.Annotations, app.Annotations)
		return nil
	})
}

func merged(into, from map[string]string) map[string]string {
	if into == nil && len(from) > 0 {
		into = map[string]string{}
	}
	for key, value := range from {
		into[key] = value
	}
	return into
}

// ChangeApplication changes the spec and metadata of an Application; change may be called again after a conflict.
func ChangeApplication(ctx context.Context, c client.Client, key client.ObjectKey, change func(*gitopsv1.Application) error) (string, error) {
	changed := false
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		before, err := loadApp(ctx, c, key)
		if err != nil {
			return err
		}
		after := before.DeepCopy()
		if err := change(after); err != nil {
			return err
		}
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		data, err := client.MergeFrom(before).Data(after)
		if err != nil {
			return fmt.Errorf("writing the patch: %w", err)
		}
		if changed = string(data) != "{}"; !changed {
			return nil
		}
		return c.Patch(ctx, after, patch)
	})
	switch {
	case err != nil:
		return "", whileDoing(err, "changing", key)
	case !changed:
		return saidApp(key, "is so already"), nil
	}
	return saidApp(key, "changed"), nil
}

// whileDoing says what failed, but for refusals, which say it themselves.
func whileDoing(err error, doing string, key client.ObjectKey) error {
	if IsRefused(err) {
		return err
	}
	return fmt.Errorf("%s %s: %w", doing, namedApp(key), err)
}
