package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/webhook"
)

// writers is how many objects are written at the same time.
const writers = 16

// spread asks everything that an event concerns for a look.
func (s *Server) spread(ctx context.Context, e webhook.Event) error {
	if len(e.Pushes)+len(e.Artifacts) == 0 && e.Requests == nil {
		return nil
	}
	var apps gitopsv1.ApplicationList
	if err := s.Reader.List(ctx, &apps, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing Applications: %w", err)
	}
	var sets gitopsv1.ApplicationSetList
	if err := s.Reader.List(ctx, &sets, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing ApplicationSets: %w", err)
	}
	var asks []ask
	concerned := 0
	for i := range apps.Items {
		app := &apps.Items[i]
		if app.Annotations[gitopsv1.AnnotationSkipReconcile] != "true" && e.ConcernsApplication(app) {
			concerned++
			asks = append(asks, askFor(app, gitopsv1.AnnotationRefresh, gitopsv1.RefreshNormal))
		}
	}
	for i := range sets.Items {
		if set := &sets.Items[i]; e.ConcernsSet(set) {
			asks = append(asks, askFor(set, gitopsv1.AnnotationApplicationSetRefresh, "true"))
		}
	}
	err := s.write(ctx, asks)
	logf.FromContext(ctx).Info("webhook", "provider", e.Provider, "concerns", subjects(e), "applications", concerned, "applicationSets", len(asks)-concerned)
	return err
}

// ask is one annotation to be set on one object.
type ask struct {
	object     client.Object
	key, value string
	// again is true if the annotation is set already. The look that it asked for may have been under way before the push, so it has to go and come back.
	again bool
}

func askFor(o client.Object, key, value string) ask {
	before, set := o.GetAnnotations()[key]
	if before == gitopsv1.RefreshHard {
		value = before
	}
	empty, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		empty = o
	}
	return ask{empty, key, value, set}
}

func (s *Server) write(ctx context.Context, asks []ask) error {
	problems := make([]error, len(asks))
	tickets := make(chan struct{}, writers)
	var all sync.WaitGroup
	for i, a := range asks {
		tickets <- struct{}{}
		all.Go(func() {
			defer func() { <-tickets }()
			problems[i] = s.set(ctx, a)
		})
	}
	all.Wait()
	return errors.Join(problems...)
}

func (s *Server) set(ctx context.Context, a ask) error {
	values := []any{a.value}
	if a.again {
		values = []any{nil, a.value}
	}
	for _, value := range values {
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{a.key: value}}})
		if err != nil {
			return err
		}
		err = s.Writer.Patch(ctx, a.object, client.RawPatch(types.MergePatchType, patch))
		if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("asking %s for a look: %w", client.ObjectKeyFromObject(a.object), err)
		}
	}
	return nil
}

// subjects names what an event is about, for the log.
func subjects(e webhook.Event) (all []string) {
	for _, p := range e.Pushes {
		if len(p.RepoURLs) > 0 {
			all = append(all, p.RepoURLs[0]+" "+p.Ref)
		}
	}
	for _, a := range e.Artifacts {
		all = append(all, a.Registry+"/"+a.Repository+":"+a.Tag)
	}
	if e.Requests != nil {
		all = append(all, "requests of "+e.Requests.URL)
	}
	return all
}
