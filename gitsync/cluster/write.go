package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// Writer writes to a destination, as the controller itself or as a service account.
type Writer struct {
	cluster *Cluster
	client  client.Client
	// migrates are the managers of client-side applies whose fields are taken over.
	migrates []string
}

// As gives the writer that acts as a service account, namespace:name; as the controller itself if the name is empty. What the client-side managers
// migrates have applied is taken over by the first apply.
func (c *Cluster) As(serviceAccount string, migrates ...string) (*Writer, error) {
	if serviceAccount == "" {
		return &Writer{cluster: c, client: c.direct, migrates: migrates}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.writers[serviceAccount]; known != nil {
		return &Writer{cluster: c, client: known, migrates: migrates}, nil
	}
	config := rest.CopyConfig(c.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + serviceAccount}
	made, err := client.New(config, client.Options{Mapper: c.mapper, Scheme: c.direct.Scheme()})
	if err != nil {
		return nil, fmt.Errorf("acting as service account %s: %w", serviceAccount, err)
	}
	c.writers[serviceAccount] = made
	return &Writer{cluster: c, client: made, migrates: migrates}, nil
}

// DryRun asks what a write would make of an object. That its namespace does not exist yet is no problem, because the same operation may make it.
func (w *Writer) DryRun(ctx context.Context, write gitsync.Write) (gitsync.Prediction, error) {
	manifest := write.Object
	p := gitsync.Prediction{}
	o, err := w.tryOut(ctx, write)
	err = w.unlessGone(write, err)
	switch {
	case err == nil:
		p.Object = o
	case isMissingNamespace(err, manifest), write.Anew && isOfPredecessor(err):
	case apierrors.IsConflict(err) || !isVerdict(err):
		return p, fmt.Errorf("asking for a dry run of %s %s: %w", manifest.GetKind(), manifest.GetName(), err)
	default:
		p.Problem = words(err)
	}
	return p, nil
}

// isOfPredecessor reports whether what is made anew is refused because another object is there still, or because of the name under which it was tried.
func isOfPredecessor(err error) bool {
	if apierrors.IsAlreadyExists(err) || apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota") {
		return true
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	causes := status.Status().Details.Causes
	return len(causes) > 0 && !slices.ContainsFunc(causes, func(c metav1.StatusCause) bool {
		return c.Field != "metadata.name" && c.Field != "metadata.generateName"
	})
}

func (w *Writer) tryOut(ctx context.Context, write gitsync.Write) (*unstructured.Unstructured, error) {
	if write.Anew {
		return w.tryAnew(ctx, write)
	}
	if !write.Replace || write.Live == nil {
		return w.patch(ctx, plain(write.Object), validation(write), client.DryRunAll)
	}
	o := plain(write.Object)
	o.SetResourceVersion(write.Live.GetResourceVersion())
	return o, w.client.Update(ctx, o, client.FieldOwner(gitopsv1.FieldManager), client.FieldValidation(validation(write)), client.DryRunAll)
}

// plain is a copy of a manifest without what only the server writes, which is there in many that were once read from a cluster. The server would take
// an old version or another identity for a conflict, and no other look would ever end it.
func plain(manifest *unstructured.Unstructured) *unstructured.Unstructured {
	o := manifest.DeepCopy()
	o.SetManagedFields(nil)
	for _, field := range []string{"creationTimestamp", "resourceVersion", "uid", "generation", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"} {
		unstructured.RemoveNestedField(o.Object, "metadata", field)
	}
	return o
}

// validation is what the server is to do about fields that it does not know.
func validation(write gitsync.Write) string {
	if write.Validate {
		return "Strict"
	}
	return "Ignore"
}

// isVerdict reports whether an error is what the server thinks of an object, and not that it had no time for it or could not be reached.
func isVerdict(err error) bool {
	var status apierrors.APIStatus
	return meta.IsNoMatchError(err) || errors.As(err, &status) && !apierrors.IsTimeout(err) && !apierrors.IsServerTimeout(err) && !apierrors.IsTooManyRequests(err) &&
		!apierrors.IsServiceUnavailable(err)
}

// words are what a server says; a refusal without any is one nevertheless.
func words(err error) string {
	return cmp.Or(err.Error(), "the server refuses it and does not say why")
}

func isMissingNamespace(err error, o *unstructured.Unstructured) bool {
	return apierrors.IsNotFound(err) && o.GetNamespace() != "" && strings.Contains(err.Error(), `namespaces "`+o.GetNamespace()+`" not found`)
}

// patch applies what plain gave, and answers with what the server makes of it.
func (w *Writer) patch(ctx context.Context, o *unstructured.Unstructured, validation string, opts ...client.PatchOption) (*unstructured.Unstructured, error) {
	unstructured.RemoveNestedField(o.Object, "status")
	text, err := json.Marshal(o.Object)
	if err != nil {
		return nil, err
	}
	opts = append([]client.PatchOption{client.FieldOwner(gitopsv1.FieldManager), client.ForceOwnership, client.FieldValidation(validation)}, opts...)
	return o, w.client.Patch(ctx, o, client.RawPatch(types.ApplyPatchType, text), opts...)
}

// Apply writes one object. It fails with a conflict if the object has changed since it was observed, and with other errors if the server could not be
// reached; in both cases another look is due. What the server thinks of the object is the outcome.
func (w *Writer) Apply(ctx context.Context, write gitsync.Write) (gitsync.Outcome, error) {
	o, err := w.apply(ctx, write)
	err = w.unlessGone(write, err)
	if write.Force && write.Live != nil && (apierrors.IsInvalid(err) || apierrors.IsForbidden(err) && strings.Contains(err.Error(), "immutable")) {
		err = w.makeAnew(ctx, write, err)
	}
	outcome := gitsync.Outcome{Task: write.Task, Version: write.Object.GroupVersionKind().Version}
	switch {
	case err != nil && (apierrors.IsConflict(err) || !isVerdict(err)):
		return outcome, err
	case err != nil:
		outcome.Problem = words(err)
		return outcome, nil
	}
	w.cluster.recent.remember(o, time.Now())
	if o.GetKind() == "CustomResourceDefinition" {
		w.cluster.awaitServed(ctx, o)
	}
	resource := strings.ToLower(o.GetKind())
	if group := o.GroupVersionKind().Group; group != "" {
		resource += "." + group
	}
	outcome.Message = resource + "/" + o.GetName() + " " + done(write, o)
	return outcome, nil
}

// done says what a write that gave an object did, in the words of kubectl.
func done(write gitsync.Write, o *unstructured.Unstructured) string {
	switch {
	case write.Retry:
		return "retried"
	case write.Live == nil:
		return "created"
	case write.Live.GetResourceVersion() == o.GetResourceVersion():
		return "unchanged"
	case write.Replace:
		return "replaced"
	}
	return "configured"
}

// unborn is a version that no object ever has: an apply that carries it makes an object, and fails with a conflict if there is one already.
const unborn = "1"

func (w *Writer) apply(ctx context.Context, write gitsync.Write) (*unstructured.Unstructured, error) {
	if write.Retry {
		return w.retry(ctx, write.Live)
	}
	o := plain(write.Object)
	validation := validation(write)
	if write.Live == nil {
		if write.Replace {
			err := w.client.Create(ctx, o, client.FieldOwner(gitopsv1.FieldManager), client.FieldValidation(validation))
			if apierrors.IsAlreadyExists(err) {
				err = lookAgain(o, err)
			}
			return o, err
		}
		o.SetResourceVersion(unborn)
		return w.patch(ctx, o, validation)
	}
	o.SetResourceVersion(write.Live.GetResourceVersion())
	if write.Replace {
		return o, w.client.Update(ctx, o, client.FieldOwner(gitopsv1.FieldManager), client.FieldValidation(validation))
	}
	if migrated, err := w.migrate(ctx, write.Live); err != nil {
		return nil, err
	} else if migrated != "" {
		o.SetResourceVersion(migrated)
	}
	return w.patch(ctx, o, validation)
}

// migrate makes the fields of client-side applies ours, so that one that leaves Git leaves the cluster. It gives the new resource version.
func (w *Writer) migrate(ctx context.Context, live *unstructured.Unstructured) (string, error) {
	if !slices.ContainsFunc(live.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool {
		return e.Operation == metav1.ManagedFieldsOperationUpdate && e.Subresource == "" && slices.Contains(w.migrates, e.Manager)
	}) {
		return "", nil
	}
	// The patch replaces the whole list of managers, of which the cache keeps but a part.
	o := live.NewEmptyInstance().(*unstructured.Unstructured)
	o.SetGroupVersionKind(live.GroupVersionKind())
	if err := w.cluster.direct.Get(ctx, client.ObjectKeyFromObject(live), o); err != nil {
		return "", err
	}
	if o.GetUID() != live.GetUID() || o.GetResourceVersion() != live.GetResourceVersion() {
		return "", lookAgain(live, errors.New("it has changed since it was observed"))
	}
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(o, sets.New(w.migrates...), gitopsv1.FieldManager)
	if err != nil || patch == nil {
		return "", err
	}
	if err := w.client.Patch(ctx, o, client.RawPatch(types.JSONPatchType, patch)); err != nil {
		return "", err
	}
	return o.GetResourceVersion(), nil
}

// makeAnew deletes what cannot be changed in place, and gives the conflict after which the next pass makes it again. It deletes nothing if the server
// would refuse the new one too.
func (w *Writer) makeAnew(ctx context.Context, write gitsync.Write, why error) error {
	_, err := w.tryAnew(ctx, write)
	if err != nil && !strings.Contains(err.Error(), "already allocated") { // ports and addresses are free once the old one is gone
		return fmt.Errorf("%w; and it cannot be made anew: %w", why, err)
	}
	err = w.remove(ctx, write.Live, metav1.DeletePropagationForeground)
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("%w; and it cannot be deleted to be made anew: %w", why, err)
	}
	return lookAgain(write.Live, why)
}

// tryAnew asks what the server would make of an object under another name, because its own is taken, or under one that it gets then.
func (w *Writer) tryAnew(ctx context.Context, write gitsync.Write) (*unstructured.Unstructured, error) {
	o := plain(write.Object)
	if name := o.GetName(); name != "" {
		o.SetName("")
		o.SetGenerateName(name + "-")
	}
	return o, w.client.Create(ctx, o, client.DryRunAll, client.FieldOwner(gitopsv1.FieldManager), client.FieldValidation(validation(write)))
}

// unlessGone is the error of a write, which about an object that has gone since it was observed says no more than that another look is due.
func (w *Writer) unlessGone(write gitsync.Write, err error) error {
	if write.Live != nil && (w.isMissing(err, write.Live) || isMissingNamespace(err, write.Live)) {
		return lookAgain(write.Live, err)
	}
	return err
}

// isMissing reports whether an error says of this very object that it is not there. Admission may miss something else.
func (w *Writer) isMissing(err error, o *unstructured.Unstructured) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	gvk, said := o.GroupVersionKind(), status.Status().Details
	mapping, err := w.cluster.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	return err == nil && said.Name == o.GetName() && said.Group == gvk.Group && said.Kind == mapping.Resource.Resource
}

// lookAgain is an error that says that an object is not as it was observed.
func lookAgain(o *unstructured.Unstructured, why error) error {
	gvk := o.GroupVersionKind()
	return apierrors.NewConflict(gvk.GroupVersion().WithResource(gvk.Kind).GroupResource(), o.GetName(), why)
}

var propagations = map[string]metav1.DeletionPropagation{
	"foreground": metav1.DeletePropagationForeground, "background": metav1.DeletePropagationBackground, "orphan": metav1.DeletePropagationOrphan,
}

// Delete deletes what was observed, and nothing else of that name.
func (w *Writer) Delete(ctx context.Context, d gitsync.Deletion) (gitsync.Outcome, error) {
	outcome := gitsync.Outcome{Task: d.Task, Version: d.Live.GroupVersionKind().Version}
	err := w.remove(ctx, d.Live, propagations[d.Propagation])
	switch {
	case err != nil && (apierrors.IsConflict(err) || !isVerdict(err)):
		return outcome, err
	case err != nil && !apierrors.IsNotFound(err):
		outcome.Problem = words(err)
	}
	return outcome, nil
}

func (w *Writer) remove(ctx context.Context, live *unstructured.Unstructured, propagation metav1.DeletionPropagation) error {
	uid := live.GetUID()
	opts := []client.DeleteOption{client.Preconditions{UID: &uid}}
	if propagation != "" {
		opts = append(opts, client.PropagationPolicy(propagation))
	}
	err := w.client.Delete(ctx, live, opts...)
	if err == nil {
		w.cluster.recent.forget(live)
	}
	return err
}

// Release takes our finalizer off a hook object.
func (w *Writer) Release(ctx context.Context, live *unstructured.Unstructured) error {
	o := live.DeepCopy()
	o.SetFinalizers(slices.DeleteFunc(slices.Clone(o.GetFinalizers()), func(f string) bool { return f == gitopsv1.FinalizerHook }))
	err := w.client.Patch(ctx, o, client.MergeFromWithOptions(live, client.MergeFromWithOptimisticLock{}))
	if err == nil {
		w.cluster.recent.remember(o, time.Now())
	}
	return client.IgnoreNotFound(err)
}

// ClientSideManager is the manager of kubectl's client-side applies.
const ClientSideManager = "kubectl-client-side-apply"
