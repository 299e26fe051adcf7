package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/console/verb"
	"github.com/sluice-delivery/sluice/console/view"
)

// hope is what is waited for.
type hope struct {
	sync, operation, deleted    bool
	health, suspended, degraded bool
	resources                   []gitopsv1.SyncResource
	timeout                     time.Duration
}

func (h *hope) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&h.sync, "sync", false, "Wait until it is synced")
	f.BoolVar(&h.health, "health", false, "Wait until it is healthy")
	f.BoolVar(&h.suspended, "suspended", false, "Wait until it is suspended, as a paused Rollout is")
	f.BoolVar(&h.degraded, "degraded", false, "Wait until it is degraded")
	f.BoolVar(&h.operation, "operation", false, "Wait until no operation is under way")
	f.BoolVar(&h.deleted, "delete", false, "Wait until it is gone")
}

// usual is what is waited for if nobody says what.
func (h *hope) usual() {
	if !h.sync && !h.operation && !h.deleted && !h.health && !h.suspended && !h.degraded {
		h.sync, h.operation, h.health = true, true, true
	}
}

// fulfilled reports whether an Application is as hoped. A look that is asked for and has not been served may change everything.
func (h *hope) fulfilled(app *gitopsv1.Application) bool {
	switch {
	case h.deleted, app.Annotations[gitopsv1.AnnotationRefresh] != "", h.operation && underWay(app):
		return false
	case len(h.resources) > 0:
		return h.resourcesFulfilled(app)
	}
	return (!h.sync || app.Status.Sync.Status == gitopsv1.SyncSynced) && h.healthy(app.Status.Health.Status)
}

func (h *hope) healthy(is gitopsv1.HealthCode) bool {
	if !h.health && !h.suspended && !h.degraded {
		return true
	}
	return h.health && is == gitopsv1.HealthHealthy || h.suspended && is == gitopsv1.HealthSuspended || h.degraded && is == gitopsv1.HealthDegraded
}

func (h *hope) resourcesFulfilled(app *gitopsv1.Application) bool {
	found := 0
	for _, r := range app.Status.Resources {
		if !slices.ContainsFunc(h.resources, func(o gitopsv1.SyncResource) bool { return verb.SelectsResource(o, r) }) {
			continue
		}
		found++
		if h.sync && r.Status != gitopsv1.SyncSynced || r.Health != nil && !h.healthy(r.Health.Status) {
			return false
		}
	}
	return found > 0
}

func underWay(app *gitopsv1.Application) bool {
	s := app.Status.OperationState
	return app.Operation != nil || s != nil && !s.Phase.Completed()
}

const waitCodes = `

  CODE  MEANING
  0     all that was waited for has come
  1     it could not be found out: no such Application, no connection, wrong usage
  2     the operation failed
  4     the time ran out`

func newAppWait(s *session) *cobra.Command {
	h, p := &hope{}, &picks{}
	var resources []string
	cmd := &cobra.Command{
		Use:   "wait NAME...",
		Short: "Wait until Applications are synced and healthy, and tell it by the exit code",
		Long: `Wait until Applications are synced and healthy and no operation is under way, or for what the flags say.

--health, --suspended and --degraded together wait for any of the three. With --resource only those resources count.` + waitCodes,
		Example: `  kubectl sluice app wait shop --timeout 10m
  kubectl sluice app wait shop --health --suspended --resource argoproj.io:Rollout:web`,
		ValidArgsFunction: s.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			only, except, err := parseResources(resources)
			if err != nil {
				return err
			}
			if len(except) > 0 {
				return errors.New("--resource cannot leave anything out here: name what to wait for")
			}
			h.resources = only
			h.usual()
			c, err := s.connect()
			if err != nil {
				return err
			}
			keys, err := p.keys(cmd.Context(), s, c, args)
			if err != nil {
				return err
			}
			return s.waitAll(cmd.Context(), c, keys, h)
		},
	}
	h.bind(cmd)
	p.bind(cmd)
	cmd.Flags().StringArrayVar(&resources, "resource", nil, "Wait for this resource only, as GROUP:KIND:NAME; may be repeated")
	bindTimeout(cmd, &h.timeout)
	return cmd
}

// seconds is a flag for a time that may be a bare number of seconds, as scripts write it.
type seconds struct{ d *time.Duration }

func bindTimeout(cmd *cobra.Command, d *time.Duration) {
	cmd.Flags().VarP(seconds{d}, "timeout", "t", "Longest time to wait, such as 5m, or a number of seconds; 0 is without limit")
}

// String, Set and Type make seconds a flag.
func (s seconds) String() string {
	if s.d == nil {
		return "0s"
	}
	return s.d.String()
}

// Set reads a time.
func (s seconds) Set(given string) error {
	d, err := time.ParseDuration(given)
	if err != nil {
		d, err = time.ParseDuration(given + "s")
	}
	if err != nil || d < 0 {
		return errors.New("must be a time such as 5m, or a number of seconds")
	}
	*s.d = d
	return nil
}

// Type is the word for the value in a help text.
func (s seconds) Type() string { return "duration" }

var errTimeout = errors.New("the time ran out")

// waitAll waits for several Applications side by side and answers with the worst that became of them.
func (s *session) waitAll(ctx context.Context, c client.WithWatch, keys []client.ObjectKey, h *hope) error {
	if h.timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, h.timeout, errTimeout)
		defer stop()
	}
	var mu sync.Mutex
	problems := make([]error, len(keys))
	var all sync.WaitGroup
	for i, key := range keys {
		all.Go(func() {
			last := ""
			_, err := s.await(ctx, c, key, h.fulfilled, func(app *gitopsv1.Application) error {
				mu.Lock()
				defer mu.Unlock()
				words := standingOf(app)
				if words == last {
					return nil
				}
				last = words
				return s.print([]line{text(plain, words)})
			})
			if h.deleted && apierrors.IsNotFound(err) {
				mu.Lock()
				err = s.print([]line{text(plain, fmt.Sprintf("application %s: gone", key))})
				mu.Unlock()
			}
			problems[i] = err
		})
	}
	all.Wait()
	return s.outcome(keys, problems, h.timeout)
}

// outcome turns what became of several Applications into one exit code; a failure to look is worse than a time that ran out.
func (s *session) outcome(keys []client.ObjectKey, problems []error, timeout time.Duration) error {
	late := false
	for i, err := range problems {
		if !errors.Is(err, errTimeout) {
			continue
		}
		problems[i], late = nil, true
		if err := s.print([]line{text(plain, fmt.Sprintf("application %s: not settled after %s", keys[i], timeout))}); err != nil {
			return err
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if late {
		return &exit{exitTimeout}
	}
	return nil
}

// await watches an Application until it is as it should be, and tells of each state that it goes through. The error is errTimeout if the time ran out.
func (s *session) await(ctx context.Context, c client.WithWatch, key client.ObjectKey, done func(*gitopsv1.Application) bool,
	tell func(*gitopsv1.Application) error,
) (*gitopsv1.Application, error) {
	var last *gitopsv1.Application
	err := view.WatchApplication(ctx, c, key, func(app *gitopsv1.Application, _ error) error {
		last = app
		if tell != nil {
			if err := tell(app); err != nil {
				return err
			}
		}
		if done(app) {
			return errSettled
		}
		return nil
	})
	switch {
	case errors.Is(err, errSettled):
		return last, nil
	case errors.Is(context.Cause(ctx), errTimeout):
		return last, errTimeout
	}
	return last, err
}

// standingOf says in one line where an Application stands.
func standingOf(app *gitopsv1.Application) string {
	st := &app.Status
	all := []string{fmt.Sprintf("application %s/%s:", app.Namespace, app.Name), string(st.Sync.Status), string(st.Health.Status)}
	if revisions := view.Revisions(app); len(revisions) > 0 {
		all[1] += " at " + short(revisions...)
	}
	switch {
	case app.Operation != nil && !underWayKnown(app):
		all = append(all, "operation asked for")
	case st.OperationState != nil && !st.OperationState.Phase.Completed():
		words := "operation " + string(st.OperationState.Phase)
		if st.OperationState.Message != "" {
			words += " (" + st.OperationState.Message + ")"
		}
		all = append(all, words)
	}
	if st.Health.Status == gitopsv1.HealthDegraded && st.Health.Message != "" {
		all = append(all, st.Health.Message)
	}
	if app.DeletionTimestamp != nil {
		all = append(all[:1], "being deleted")
	}
	for _, c := range st.Conditions {
		if inTheWay(app, c.Type) {
			all = append(all, c.Message)
			break // the rest app get tells
		}
	}
	all = slices.DeleteFunc(all, func(word string) bool { return word == "" })
	return all[0] + " " + strings.Join(all[1:], ", ")
}

// inTheWay reports whether a condition says why nothing goes on.
func inTheWay(app *gitopsv1.Application, c gitopsv1.ApplicationConditionType) bool {
	switch c {
	case gitopsv1.ConditionInvalidSpecError, gitopsv1.ConditionComparisonError:
		return true
	case gitopsv1.ConditionDeletionError:
		return app.DeletionTimestamp != nil
	}
	return false
}

// underWayKnown reports whether the controller has taken the operation up.
func underWayKnown(app *gitopsv1.Application) bool {
	s := app.Status.OperationState
	return s != nil && !s.Phase.Completed()
}

// patience tells what is being waited for once it takes longer than a second; the caller calls what it returns when it is over.
func (s *session) patience(what string) (over func()) {
	waiting := time.AfterFunc(time.Second, func() {
		// That nobody can be told is no reason to fail.
		_, _ = fmt.Fprintln(s.errOut, what+" …")
	})
	return func() { waiting.Stop() }
}
