package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/console/view"
	deed "github.com/sluice-delivery/sluice/gitsync/health/action"
	"github.com/sluice-delivery/sluice/gitsync/settings"
)

// acting says which resources of an Application an action is for.
type acting struct {
	kind, group, name, namespace string
	all                          bool
	parameters                   []string
}

func newAppActions(s *session) *cobra.Command {
	o := &acting{}
	cmd := &cobra.Command{Use: "actions", Short: "List and run what can be done to the resources of an Application"}
	list := &cobra.Command{
		Use: "list NAME", Short: "List the actions", Args: cobra.ExactArgs(1), ValidArgsFunction: s.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error { return s.listActions(cmd.Context(), args[0], o) },
	}
	run := &cobra.Command{
		Use: "run NAME ACTION", Short: "Run an action", Args: cobra.ExactArgs(2), ValidArgsFunction: s.completeApps,
		Example: `  kubectl sluice app actions run shop resume --kind Rollout --resource-name web
  kubectl sluice app actions run shop restart --kind Deployment --all`,
		RunE: func(cmd *cobra.Command, args []string) error { return s.runActions(cmd.Context(), args[0], args[1], o) },
	}
	for _, sub := range []*cobra.Command{list, run} {
		f := sub.Flags()
		f.StringVar(&o.kind, "kind", "", "Only resources of this kind")
		f.StringVar(&o.group, "group", "", "Only resources of this API group")
		f.StringVar(&o.name, "resource-name", "", "Only the resource of this name")
		f.StringVar(&o.namespace, "resource-namespace", "", "Only resources in this namespace")
	}
	run.Flags().BoolVar(&o.all, "all", false, "Do it to all of them")
	run.Flags().StringArrayVar(&o.parameters, "param", nil, "What the action wants to be told, as NAME=VALUE; may be repeated")
	cmd.AddCommand(list, run)
	return cmd
}

func (o *acting) picks(r gitopsv1.ResourceStatus) bool {
	is := func(wanted, have string) bool { return wanted == "" || wanted == have }
	return !r.Hook && is(o.kind, r.Kind) && is(o.group, r.Group) && is(o.name, r.Name) && is(o.namespace, r.Namespace)
}

func (s *session) listActions(ctx context.Context, app string, o *acting) error {
	_, objects, known, err := s.actionable(ctx, app, o)
	if err != nil {
		return err
	}
	rows := []row{header("KIND", "NAMESPACE", "NAME", "ACTION", "NOW")}
	for _, object := range objects {
		actions, err := known.List(object, s.now())
		if err != nil {
			return err
		}
		for _, one := range actions {
			now := "possible"
			if one.Disabled {
				now = "makes no sense"
			}
			rows = append(rows, row{cells: []line{text(plain, object.GetKind()), text(plain, object.GetNamespace()), text(bold, object.GetName()), text(plain, one.Name), text(dim, now)}})
		}
	}
	return s.print(table(rows, s.frame(outputText).width))
}

func (s *session) runActions(ctx context.Context, app, name string, o *acting) error {
	parameters, err := withPairs(nil, o.parameters, "--param")
	if err != nil {
		return err
	}
	c, objects, known, err := s.actionable(ctx, app, o)
	if err != nil {
		return err
	}
	able := slices.DeleteFunc(objects, func(object *unstructured.Unstructured) bool {
		actions, err := known.List(object, s.now())
		return err != nil || !slices.ContainsFunc(actions, func(a deed.Action) bool { return a.Name == name })
	})
	switch {
	case len(able) == 0:
		return fmt.Errorf("no such resource of application %s has an action %q: app actions list tells what there is", app, name)
	case len(able) > 1 && !o.all:
		return errors.New("several resources have that action: name one with --kind and --resource-name, or take --all")
	}
	for _, object := range able {
		changes, err := known.Run(object, name, parameters, s.now())
		if err != nil {
			return err
		}
		for _, change := range changes {
			if err := store(ctx, c, object, change); err != nil {
				return err
			}
		}
		words := fmt.Sprintf("%s %s: %s asked for", strings.ToLower(object.GetKind()), client.ObjectKeyFromObject(object), name)
		if err := s.print([]line{text(plain, words)}); err != nil {
			return err
		}
	}
	return nil
}

// store makes a new object, or changes the one of the action if it is still as it was read. What the action makes of the status is written to that,
// or with the rest where the kind has no place of its own for it.
func store(ctx context.Context, c client.Client, before *unstructured.Unstructured, change deed.Change) error {
	if change.Create {
		if err := c.Create(ctx, change.Object); err != nil {
			return fmt.Errorf("creating %s %s: %w", change.Object.GetKind(), change.Object.GetName(), err)
		}
		return nil
	}
	after := change.Object.DeepCopy()
	after.SetResourceVersion(before.GetResourceVersion())
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	var err error
	left := !equality.Semantic.DeepEqual(withoutStatus(before), withoutStatus(after))
	if !equality.Semantic.DeepEqual(before.Object["status"], after.Object["status"]) {
		switch err = c.Status().Patch(ctx, after.DeepCopy(), patch); {
		case apierrors.IsNotFound(err):
			err, left = nil, true
		case err == nil:
			patch = client.MergeFrom(before) // the object has another version now, by our own doing
		}
	}
	if err == nil && left {
		err = c.Patch(ctx, after, patch)
	}
	if err != nil {
		return fmt.Errorf("changing %s %s: %w", before.GetKind(), before.GetName(), err)
	}
	return nil
}

func withoutStatus(o *unstructured.Unstructured) map[string]any {
	rest := maps.Clone(o.Object)
	delete(rest, "status")
	return rest
}

// actionable reads the resources of an Application in this cluster that are picked, and the actions that there are.
func (s *session) actionable(ctx context.Context, app string, o *acting) (client.WithWatch, []*unstructured.Unstructured, *deed.Actions, error) {
	key, err := s.appKey(app)
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := s.connect()
	if err != nil {
		return nil, nil, nil, err
	}
	a, err := view.LoadApplication(ctx, c, key)
	if err != nil {
		return nil, nil, nil, err
	}
	if view.ClusterOf(a.Spec.Destination) != gitopsv1.InClusterName {
		return nil, nil, nil, fmt.Errorf("application %s is in cluster %s: turn to that cluster and act on its objects there", key, view.ClusterOf(a.Spec.Destination))
	}
	known, err := s.actions(ctx, c)
	if err != nil {
		return nil, nil, nil, err
	}
	var objects []*unstructured.Unstructured
	for _, r := range a.Status.Resources {
		if !o.picks(r) {
			continue
		}
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(schema.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind})
		err := c.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: r.Name}, object)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return nil, nil, nil, fmt.Errorf("reading %s %s: %w", r.Kind, r.Name, err)
		default:
			objects = append(objects, object)
		}
	}
	return c, objects, known, nil
}

// actions are those that are built in and those of the settings, which not everybody may read.
func (s *session) actions(ctx context.Context, c client.Client) (*deed.Actions, error) {
	m := &corev1.ConfigMap{}
	err := c.Get(ctx, client.ObjectKey{Namespace: s.controlNamespace, Name: gitopsv1.ConfigMapSettings}, m)
	switch {
	case apierrors.IsForbidden(err):
		_, _ = fmt.Fprintln(s.errOut, "there is no right to read the ConfigMap "+gitopsv1.ConfigMapSettings+", so only built-in actions are known")
	case err != nil && !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading the ConfigMap %s: %w", gitopsv1.ConfigMapSettings, err)
	}
	return deed.New(settings.Read(m.Data).Actions)
}
