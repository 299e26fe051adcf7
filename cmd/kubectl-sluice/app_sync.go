package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/console/verb"
	"github.com/sluice-delivery/sluice/console/view"
)

// syncing is what app sync was asked for.
type syncing struct {
	picks
	revision                                  string
	prune, dryRun, force, replace, serverSide bool
	applyOutOfSyncOnly, async, preview, yes   bool
	resources, labels, info                   []string
	strategy                                  string
	timeout                                   time.Duration
	retryLimit, retryFactor                   int64
	retryDuration, retryMax                   time.Duration
	local                                     localFlags
	retryGiven                                bool
}

func newAppSync(s *session) *cobra.Command {
	o := &syncing{}
	cmd := &cobra.Command{
		Use:   "sync NAME...",
		Short: "Bring Applications to what Git says, and wait for the end of it",
		Long: `Bring Applications to what Git says, and wait for the end of it.

--resource GROUP:KIND:NAME syncs only that resource, !GROUP:KIND:NAME everything but it; hooks do not run then. --local syncs the
manifests of a folder instead of those of Git, which automated sync has to be off for.` + waitCodes,
		Example: `  kubectl sluice app sync shop --prune
  kubectl sluice app sync -l team=web --async
  kubectl sluice app sync shop --resource argoproj.io:Rollout:web`,
		ValidArgsFunction: s.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.retryGiven = cmd.Flags().Changed("retry-limit")
			return s.appSync(cmd.Context(), args, o)
		},
	}
	o.bind(cmd)
	return cmd
}

func (o *syncing) bind(cmd *cobra.Command) {
	o.picks.bind(cmd)
	f := cmd.Flags()
	f.StringVar(&o.revision, "revision", "", "Commit, branch or tag to sync to instead of what the spec asks for; not while automated sync is on")
	f.BoolVar(&o.prune, "prune", false, "Delete what is not in Git any more")
	f.BoolVar(&o.dryRun, "dry-run", false, "Have the API server say what it would do, and change nothing")
	f.BoolVar(&o.force, "force", false, "Delete and create what cannot be changed in place")
	f.BoolVar(&o.replace, "replace", false, "Replace objects as a whole instead of applying them")
	f.BoolVar(&o.serverSide, "server-side", false, "Apply on the server, which is always done; for scripts that say so")
	f.BoolVar(&o.applyOutOfSyncOnly, "apply-out-of-sync-only", false, "Apply only what differs")
	f.StringArrayVar(&o.resources, "resource", nil, "Sync only GROUP:KIND:NAME, or everything but !GROUP:KIND:NAME; may be repeated")
	f.StringArrayVar(&o.labels, "label", nil, "Sync only resources whose manifests have this label, KEY=VALUE; may be repeated for any of several")
	f.StringVar(&o.strategy, "strategy", "", "hook runs hooks, which is the default; apply does not")
	f.StringArrayVar(&o.info, "info", nil, "A fact about this sync that is shown with it, as NAME=VALUE; may be repeated")
	f.Int64Var(&o.retryLimit, "retry-limit", 0, "Further attempts after a failure; as the spec says if it is not given")
	f.DurationVar(&o.retryDuration, "retry-backoff-duration", gitopsv1.DefaultBackoffDuration, "Wait before a further attempt")
	f.DurationVar(&o.retryMax, "retry-backoff-max-duration", gitopsv1.DefaultBackoffMaxDuration, "Longest wait before a further attempt")
	f.Int64Var(&o.retryFactor, "retry-backoff-factor", gitopsv1.DefaultBackoffFactor, "How much longer each wait is than the one before")
	f.BoolVar(&o.async, "async", false, "Do not wait for the end")
	f.BoolVar(&o.preview, "preview-changes", false, "Show the differences first, and ask whether to go on")
	f.BoolVarP(&o.yes, "yes", "y", false, "Go on without asking")
	o.local.bind(cmd)
	bindTimeout(cmd, &o.timeout)
}

func (o *syncing) options() (verb.SyncOptions, error) {
	only, except, err := parseResources(o.resources)
	if err != nil {
		return verb.SyncOptions{}, err
	}
	sync := gitopsv1.SyncOperation{Revision: o.revision, Prune: o.prune, DryRun: o.dryRun, Resources: only}
	switch o.strategy {
	case "":
		if o.force {
			sync.SyncStrategy = &gitopsv1.SyncStrategy{Hook: &gitopsv1.SyncStrategyHook{Force: true}}
		}
	case "hook":
		sync.SyncStrategy = &gitopsv1.SyncStrategy{Hook: &gitopsv1.SyncStrategyHook{Force: o.force}}
	case "apply":
		sync.SyncStrategy = &gitopsv1.SyncStrategy{Apply: &gitopsv1.SyncStrategyApply{Force: o.force}}
	default:
		return verb.SyncOptions{}, fmt.Errorf("--strategy %q: choose hook or apply", o.strategy)
	}
	for option, wanted := range map[string]bool{"Replace=true": o.replace, "ServerSideApply=true": o.serverSide, "ApplyOutOfSyncOnly=true": o.applyOutOfSyncOnly} {
		if wanted {
			sync.SyncOptions = append(sync.SyncOptions, option)
		}
	}
	all := verb.SyncOptions{Operation: sync, Except: except, User: username()}
	for _, pair := range o.info {
		name, value, found := strings.Cut(pair, "=")
		if !found || name == "" {
			return all, fmt.Errorf("--info %q is not NAME=VALUE", pair)
		}
		all.Info = append(all.Info, gitopsv1.Info{Name: name, Value: value})
	}
	if o.retryGiven {
		all.Retry = &gitopsv1.RetryStrategy{Limit: o.retryLimit, Backoff: &gitopsv1.Backoff{
			Duration: o.retryDuration.String(), Factor: &o.retryFactor, MaxDuration: o.retryMax.String(),
		}}
	}
	return all, nil
}

// username is who is told to have asked.
func username() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

func (s *session) appSync(ctx context.Context, args []string, o *syncing) error {
	options, err := o.options()
	if err != nil {
		return err
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	keys, err := o.keys(ctx, s, c, args)
	if err != nil {
		return err
	}
	if o.local.given() && len(keys) != 1 {
		return errors.New("--local goes with a single Application")
	}
	if o.revision != "" {
		if err := s.mayNameRevision(ctx, c, keys, o.dryRun); err != nil {
			return err
		}
	}
	if err := s.render(ctx, c, keys, o, &options.Operation); err != nil {
		return err
	}
	if o.preview {
		if err := s.preview(ctx, c, keys, o); err != nil {
			return err
		}
	}
	return s.syncAll(ctx, c, keys, options, o)
}

// render fills in what of a sync depends on manifests.
func (s *session) render(ctx context.Context, c client.WithWatch, keys []client.ObjectKey, o *syncing, sync *gitopsv1.SyncOperation) (err error) {
	if len(o.labels) > 0 {
		if sync.Resources, err = s.labelled(ctx, c, keys, o); err != nil {
			return err
		}
	}
	if o.local.given() {
		sync.Manifests, err = s.localManifests(ctx, c, keys[0], o.local)
	}
	return err
}

// labelled finds the resources whose manifests have one of the labels that are asked for.
func (s *session) labelled(ctx context.Context, c client.WithWatch, keys []client.ObjectKey, o *syncing) (found []gitopsv1.SyncResource, err error) {
	if len(o.resources) > 0 || len(keys) != 1 {
		return nil, errors.New("--label goes with a single Application, and without --resource")
	}
	if _, err := withPairs(nil, o.labels, "--label"); err != nil {
		return nil, err
	}
	objects, err := s.rendered(ctx, c, keys[0], &diffing{local: o.local, revision: o.revision})
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		has := func(pair string) bool {
			key, wanted, _ := strings.Cut(pair, "=")
			value, set := object.GetLabels()[key]
			return set && value == wanted
		}
		if slices.ContainsFunc(o.labels, has) {
			gvk := object.GroupVersionKind()
			found = append(found, gitopsv1.SyncResource{Group: gvk.Group, Kind: gvk.Kind, Namespace: object.GetNamespace(), Name: object.GetName()})
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("application %s: no manifest has the label %s", keys[0], strings.Join(o.labels, " or "))
	}
	return found, nil
}

// mayNameRevision refuses a revision of its own where automated sync would return to the other one.
func (s *session) mayNameRevision(ctx context.Context, c client.WithWatch, keys []client.ObjectKey, dryRun bool) error {
	for _, key := range keys {
		app, err := view.LoadApplication(ctx, c, key)
		if err != nil {
			return err
		}
		if gitopsv1.IsAutomated(app.Spec) && !dryRun {
			return fmt.Errorf("application %s: automated sync is on and would return to %s: change it with app set --revision, or switch it off first", key,
				gitopsv1.TargetRevision(gitopsv1.SourcesOf(app.Spec)[0]))
		}
	}
	return nil
}

func (s *session) syncAll(ctx context.Context, c client.WithWatch, keys []client.ObjectKey, options verb.SyncOptions, o *syncing) error {
	before := map[client.ObjectKey]*gitopsv1.OperationState{}
	for _, key := range keys {
		app, err := view.LoadApplication(ctx, c, key)
		if err != nil {
			return err
		}
		before[key] = app.Status.OperationState
		if err := s.tell(verb.SyncApplication(ctx, c, key, options)); err != nil {
			return err
		}
	}
	if o.async {
		return nil
	}
	return s.finished(ctx, c, keys, before, o.timeout)
}

// finished waits for the end of operations that were asked for; before are the states of earlier ones.
func (s *session) finished(ctx context.Context, c client.WithWatch, keys []client.ObjectKey, before map[client.ObjectKey]*gitopsv1.OperationState, timeout time.Duration) error {
	if timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, timeout, errTimeout)
		defer stop()
	}
	failed := false
	problems := make([]error, len(keys))
	for i, key := range keys {
		last := ""
		app, err := s.await(ctx, c, key, func(app *gitopsv1.Application) bool { return !underWay(app) }, func(app *gitopsv1.Application) error {
			words := standingOf(app)
			if words == last {
				return nil
			}
			last = words
			return s.print([]line{text(plain, words)})
		})
		if problems[i] = err; err != nil {
			continue
		}
		bad, err := s.finish(app, before[key])
		if err != nil {
			return err
		}
		failed = failed || bad
	}
	if err := s.outcome(keys, problems, timeout); err != nil {
		return err
	}
	if failed {
		return &exit{exitFailed}
	}
	return nil
}

// finish tells how an operation ended and what it did, and whether it failed.
func (s *session) finish(app *gitopsv1.Application, before *gitopsv1.OperationState) (failed bool, err error) {
	state := app.Status.OperationState
	if state == nil || equality.Semantic.DeepEqual(state, before) {
		return false, s.print([]line{text(plain, fmt.Sprintf("application %s/%s: the operation was taken back", app.Namespace, app.Name))})
	}
	var rows []row
	if state.SyncResult != nil {
		for _, r := range state.SyncResult.Resources {
			rows = append(rows, row{cells: []line{
				text(plain, "  "+string(r.SyncPhase)), text(plain, r.Kind), text(plain, r.Namespace), text(bold, r.Name), text(plain, string(r.Status)), text(dim, r.Message),
			}})
		}
	}
	lines := table(rows, s.frame(outputText).width)
	words := fmt.Sprintf("application %s/%s: %s: %s", app.Namespace, app.Name, state.Phase, state.Message)
	return state.Phase != gitopsv1.OperationSucceeded, s.print(append(lines, text(plain, words)))
}

// preview shows the differences and asks whether to go on.
func (s *session) preview(ctx context.Context, c client.WithWatch, keys []client.ObjectKey, o *syncing) error {
	for _, key := range keys {
		if _, err := s.differences(ctx, c, key, &diffing{local: o.local, revision: o.revision}); err != nil {
			return err
		}
	}
	if o.yes {
		return nil
	}
	if err := s.print([]line{text(plain, "Go on? Type y and Enter.")}); err != nil {
		return err
	}
	var answer string
	if _, err := fmt.Fscanln(s.in, &answer); err != nil || !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return errors.New("nothing was synced, because nobody said y")
	}
	return nil
}
