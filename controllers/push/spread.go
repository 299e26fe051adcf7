package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/webhook"
)

// writers is how many objects are written at the same time.
const writers = 16

// failures is after how many writes that failed the others are left to polling.
const failures = 20

// page is how many objects are read at a time.
const page = 500

// spread asks everything that some of the events concern for a look.
func (s *Server) spread(ctx context.Context, events []webhook.Event) error {
	events = slices.DeleteFunc(events, func(e webhook.Event) bool { return len(e.Pushes)+len(e.Artifacts) == 0 && e.Requests == nil })
	if len(events) == 0 {
		return nil
	}
	concerns := webhook.ConcernsOf(events)
	var asks []ask
	err := s.each(ctx, &gitopsv1.ApplicationList{}, func(list client.ObjectList) {
		apps, _ := list.(*gitopsv1.ApplicationList)
		for i := range apps.Items {
			app := &apps.Items[i]
			if app.Annotations[gitopsv1.AnnotationSkipReconcile] != "true" && concerns.Application(app) {
				asks = append(asks, askFor(app, gitopsv1.ApplicationKind, gitopsv1.AnnotationRefresh, gitopsv1.RefreshNormal))
			}
		}
	})
	var unlisted []error
	if err != nil {
		unlisted = append(unlisted, fmt.Errorf("listing Applications: %w", err))
	}
	concerned := len(asks)
	err = s.each(ctx, &gitopsv1.ApplicationSetList{}, func(list client.ObjectList) {
		sets, _ := list.(*gitopsv1.ApplicationSetList)
		for i := range sets.Items {
			set := &sets.Items[i]
			if concerns.Set(set) {
				asks = append(asks, askFor(set, gitopsv1.ApplicationSetKind, gitopsv1.AnnotationApplicationSetRefresh, "true"))
			}
		}
	})
	if err != nil && !meta.IsNoMatchError(err) {
		unlisted = append(unlisted, fmt.Errorf("listing ApplicationSets: %w", err))
	}
	err = s.write(ctx, asks)
	logf.FromContext(ctx).Info("pushed: "+strings.Join(subjects(events), ", "), "applications", concerned, "applicationSets", len(asks)-concerned)
	return errors.Join(append(unlisted, err)...)
}

// each shows all objects of a kind, a page at a time. A list that takes so long that the server forgets its state goes on with the state of now.
func (s *Server) each(ctx context.Context, list client.ObjectList, show func(client.ObjectList)) error {
	empty := list
	forgotten := false
	for next := ""; ; {
		list, _ = empty.DeepCopyObject().(client.ObjectList) // what one page leaves out must not be left over from the one before
		if err := s.Reader.List(ctx, list, client.Limit(page), client.Continue(next)); err != nil {
			if next = goesOn(err); next == "" || forgotten {
				return err
			}
			forgotten = true
			continue
		}
		forgotten = false
		show(list)
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

// goesOn is where a list goes on whose state the server has forgotten; empty if it does not.
func goesOn(err error) string {
	var status apierrors.APIStatus
	if !apierrors.IsResourceExpired(err) || !errors.As(err, &status) {
		return ""
	}
	return status.Status().Continue
}

// ask is one annotation to be set on one object. It holds no more than that, because there may be a hundred thousand.
type ask struct {
	object     client.ObjectKey
	kind       schema.GroupVersionKind
	key, value string
	// again is true if the annotation is set already. The look that it asked for may have been under way before the push, so it has to go and come back.
	again bool
}

func askFor(read client.Object, kind schema.GroupVersionKind, key, value string) ask {
	before, set := read.GetAnnotations()[key]
	if before == gitopsv1.RefreshHard {
		value = before
	}
	return ask{client.ObjectKeyFromObject(read), kind, key, value, set}
}

// write asks until all are asked, or so many could not be that the others cannot either.
func (s *Server) write(ctx context.Context, asks []ask) error {
	var mu sync.Mutex
	var problems []error
	failed := func(err error) bool {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			problems = append(problems, err)
		}
		return len(problems) >= failures
	}
	tickets := make(chan struct{}, writers)
	var all sync.WaitGroup
	for _, a := range asks {
		tickets <- struct{}{}
		if failed(nil) {
			break
		}
		all.Go(func() {
			defer func() { <-tickets }()
			failed(s.set(ctx, a))
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
		object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: a.object.Namespace, Name: a.object.Name}}
		object.SetGroupVersionKind(a.kind)
		err = s.Writer.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch))
		if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("asking %s for a look: %w", a.object, err)
		}
	}
	return nil
}

// mostSubjects is how many of them a line of the log names.
const mostSubjects = 10

// subjects names what events are about, once each, for the log.
func subjects(events []webhook.Event) (all []string) {
	for _, e := range events {
		for _, p := range e.Pushes {
			all = append(all, p.RepoURLs[0]+" "+p.Ref)
		}
		for _, a := range e.Artifacts {
			all = append(all, a.Registry+"/"+a.Repository+":"+a.Tag)
		}
		if e.Requests != nil {
			all = append(all, "requests of "+e.Requests.URL)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if more := len(all) - mostSubjects; more > 0 {
		all = append(all[:mostSubjects], fmt.Sprintf("and %d more", more))
	}
	return all
}
