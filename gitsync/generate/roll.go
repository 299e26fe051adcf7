package generate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Initiator is who starts the syncs of a RollingSync, as operations name it.
const Initiator = "applicationset-controller"

// noStep stands in status for an Application that no step selects.
const noStep = "-1"

// Rollout says how a RollingSync goes on.
type Rollout struct {
	// Sync are the Applications whose operation may be set now.
	Sync []SyncNow
	// Refresh are Applications that have to look at their source again before anything later than them may be synced.
	Refresh []string
	// Progressing is true as long as an Application of some step is not done.
	Progressing bool
	Statuses    []gitopsv1.ApplicationSetApplicationStatus
}

// SyncNow is an operation to set.
type SyncNow struct {
	Application string
	Operation   gitopsv1.Operation
}

// standing is where an Application is, told by what it says itself about the spec that it has now and the revision that it last compared.
type standing int

const (
	blind  standing = iota // it has not compared its present spec yet
	going                  // it is being deleted, and made again once it is gone
	ready                  // it differs from a revision that nobody has tried
	held                   // the sync of this very revision has failed
	moving                 // a sync is under way, or its objects are not healthy yet
	done                   // its sync is over, and its objects are healthy
)

// Roll decides which Applications of a set may be synced. It keeps no position: everything follows from what the Applications say, so a
// restart, a lost status or a newer commit in the middle of a step changes nothing. A step begins when all Applications of the steps
// before it are done, and when none of them has yet to see the revision that it would bring. It takes status.reconciledAt for the moment
// at which an Application began to look at its source.
func Roll(set *gitopsv1.ApplicationSet, apps []gitopsv1.Application, now time.Time) Rollout {
	apps = slices.Clone(apps)
	slices.SortFunc(apps, func(a, b gitopsv1.Application) int { return strings.Compare(a.Name, b.Name) })
	r := roller{now: now, before: map[string]gitopsv1.ApplicationSetApplicationStatus{}, earlier: map[[3]string][]look{}, late: map[string]bool{}}
	for _, status := range set.Status.ApplicationStatus {
		r.before[status.Application] = status
	}
	steps, rest := inSteps(set.Spec.Strategy, apps)
	open := true
	for i, members := range steps {
		open = r.step(i, set.Spec.Strategy.RollingSync.Steps[i], members, open) && open
		r.leave(members)
	}
	for _, app := range rest {
		r.tell(app, noStep, gitopsv1.ProgressiveWaiting, "no step selects this Application; sync it by hand")
	}
	r.Progressing = !open
	slices.SortFunc(r.Statuses, func(a, b gitopsv1.ApplicationSetApplicationStatus) int {
		return strings.Compare(a.Application, b.Application)
	})
	r.Refresh = slices.Sorted(maps.Keys(r.late))
	return r.Rollout
}

type roller struct {
	Rollout
	now    time.Time
	before map[string]gitopsv1.ApplicationSetApplicationStatus
	// earlier are the looks of the steps before at each source, and late the Applications among them that have to look again.
	earlier map[[3]string][]look
	late    map[string]bool
}

// look is what an Application has seen of a source, and when.
type look struct {
	application, revision string
	at                    *metav1.Time
}

// leave keeps what the Applications of a step have seen, for the steps after it.
func (r *roller) leave(members []gitopsv1.Application) {
	for _, app := range members {
		if isFrozen(app) {
			continue
		}
		for source, revision := range revisionsOf(app) {
			r.earlier[source] = append(r.earlier[source], look{app.Name, revision, app.Status.ReconciledAt})
		}
	}
}

// step goes on with one step and reports whether all of it is done.
func (r *roller) step(number int, step gitopsv1.RollingSyncStep, members []gitopsv1.Application, open bool) bool {
	free := slots(step.MaxUpdate, len(members))
	complete := true
	for _, app := range members {
		at := standingOf(app)
		complete = complete && at == done
		if at == moving || at == held || at == going {
			free--
		}
	}
	manual := step.MaxUpdate != nil && slots(step.MaxUpdate, len(members)) == 0
	for _, app := range members {
		at := standingOf(app)
		status, message := words(app, at)
		if at == ready {
			status, message = r.next(app, open, manual, &free)
		}
		r.tell(app, strconv.Itoa(number+1), status, message)
	}
	return complete
}

func isFrozen(app gitopsv1.Application) bool {
	return app.Annotations[gitopsv1.AnnotationSkipReconcile] == "true"
}

// next starts the sync of an Application that is ready, or says what it waits for.
func (r *roller) next(app gitopsv1.Application, open, manual bool, free *int) (gitopsv1.ProgressiveStatus, string) {
	if !open {
		return gitopsv1.ProgressiveWaiting, "waits until the steps before are done"
	}
	if isFrozen(app) { // it would do nothing now, and bring an old revision whenever it may go on
		return gitopsv1.ProgressiveWaiting, gitopsv1.AnnotationSkipReconcile + " is true: remove it to go on"
	}
	if manual {
		return gitopsv1.ProgressiveWaiting, "maxUpdate is 0: sync it by hand to go on"
	}
	if late := r.behind(app); late != "" {
		return gitopsv1.ProgressiveWaiting, fmt.Sprintf("waits until Application %s of an earlier step has seen the same revision", late)
	}
	if *free <= 0 {
		return gitopsv1.ProgressivePending, "waits for its turn in this step"
	}
	*free--
	r.Sync = append(r.Sync, SyncNow{app.Name, operationFor(app)})
	return gitopsv1.ProgressivePending, "is being synced"
}

// behind names an Application of an earlier step that shares a source with app, stands at another revision of it and has not looked since
// app did; it is asked to look. One that has looked since stands where it should: it is ahead, or the commit does not concern it.
func (r *roller) behind(app gitopsv1.Application) string {
	name := ""
	for source, revision := range revisionsOf(app) {
		for _, e := range r.earlier[source] {
			if e.revision == revision || e.at != nil && app.Status.ReconciledAt != nil && e.at.After(app.Status.ReconciledAt.Time) {
				continue
			}
			name = max(name, e.application)
			r.late[e.application] = true
		}
	}
	return name
}

// revisionsOf is what an Application last compared, by source.
func revisionsOf(app gitopsv1.Application) map[[3]string]string {
	revisions := app.Status.Sync.Revisions
	if !gitopsv1.HasSeveralSources(app.Spec) {
		revisions = []string{app.Status.Sync.Revision}
	}
	all := map[[3]string]string{}
	for i, s := range gitopsv1.SourcesOf(app.Spec) {
		if i < len(revisions) {
			all[[3]string{s.RepoURL, s.Chart, gitopsv1.TargetRevision(s)}] = revisions[i]
		}
	}
	return all
}

func (r *roller) tell(app gitopsv1.Application, step string, status gitopsv1.ProgressiveStatus, message string) {
	revisions := app.Status.Sync.Revisions
	if !gitopsv1.HasSeveralSources(app.Spec) && app.Status.Sync.Revision != "" {
		revisions = []string{app.Status.Sync.Revision}
	}
	next := gitopsv1.ApplicationSetApplicationStatus{Application: app.Name, Step: step, Status: status, Message: message, TargetRevisions: revisions}
	since := metav1.NewTime(r.now)
	if before, ok := r.before[app.Name]; ok && before.Status == status && before.LastTransitionTime != nil {
		since = *before.LastTransitionTime
	}
	next.LastTransitionTime = &since
	r.Statuses = append(r.Statuses, next)
}

func words(app gitopsv1.Application, at standing) (gitopsv1.ProgressiveStatus, string) {
	switch at {
	case done:
		return gitopsv1.ProgressiveHealthy, "is synced and healthy"
	case moving:
		if !isRunning(app) && app.Operation != nil {
			return gitopsv1.ProgressivePending, "its sync is asked for"
		}
		return gitopsv1.ProgressiveProgressing, fmt.Sprintf("is %s, health %s", app.Status.Sync.Status, app.Status.Health.Status)
	case going:
		return gitopsv1.ProgressiveWaiting, "is being deleted, and is made again once it is gone"
	case held:
		return gitopsv1.ProgressiveProgressing, "the sync of this revision failed; push a better one, or sync it by hand"
	}
	return gitopsv1.ProgressiveWaiting, "has not compared its present spec yet"
}

// standingOf does not ask that an Application is Synced once its sync has succeeded: what is left to prune, or what somebody changes, differs
// for ever and would hold up every later step.
func standingOf(app gitopsv1.Application) standing {
	status := app.Status.Sync.Status
	tried := wasTried(app)
	switch {
	case app.DeletionTimestamp != nil:
		return going
	case app.Operation != nil || isRunning(app):
		return moving
	case !comparedAsItIs(app) || status != gitopsv1.SyncOutOfSync && status != gitopsv1.SyncSynced:
		return blind
	case tried && app.Status.OperationState.Phase != gitopsv1.OperationSucceeded:
		return held
	case !tried && status == gitopsv1.SyncOutOfSync:
		return ready
	case app.Status.Health.Status != gitopsv1.HealthHealthy:
		return moving
	}
	return done
}

func isRunning(app gitopsv1.Application) bool {
	return app.Status.OperationState != nil && !app.Status.OperationState.Phase.Completed()
}

// wasTried reports whether the last sync, which is over, was one of the present sources to the revision that was last compared, and of all of it: what
// somebody synced in part, from a folder of their own or only to see what would happen says nothing about the rest.
func wasTried(app gitopsv1.Application) bool {
	state := app.Status.OperationState
	if state == nil || !isWhole(state.Operation.Sync) {
		return false
	}
	var tried gitopsv1.SyncResult
	switch {
	case state.SyncResult != nil:
		tried = *state.SyncResult
	case state.Operation.Sync != nil:
		tried = gitopsv1.SyncResult{Revision: state.Operation.Sync.Revision, Revisions: state.Operation.Sync.Revisions}
	}
	if gitopsv1.HasSeveralSources(app.Spec) {
		return slices.Equal(tried.Revisions, app.Status.Sync.Revisions) && (tried.Sources == nil || equalJSON(tried.Sources, app.Spec.Sources))
	}
	none := equalJSON(tried.Source, gitopsv1.Source{})
	return tried.Revision == app.Status.Sync.Revision && (none || app.Spec.Source != nil && equalJSON(tried.Source, *app.Spec.Source))
}

func isWhole(op *gitopsv1.SyncOperation) bool {
	return op == nil || len(op.Resources) == 0 && len(op.Manifests) == 0 && !op.DryRun
}

// comparedAsItIs reports whether the comparison that status tells about was made with the sources and the destination of the spec.
func comparedAsItIs(app gitopsv1.Application) bool {
	to := app.Status.Sync.ComparedTo
	compared := gitopsv1.ApplicationSpec{Sources: to.Sources}
	if len(to.Sources) == 0 {
		compared.Source = &to.Source
	}
	return equalJSON(gitopsv1.SourcesOf(compared), gitopsv1.SourcesOf(app.Spec)) && equalJSON(to.Destination, app.Spec.Destination)
}

// operationFor syncs an Application to the revision that it has compared, and to no newer one, which may not have come this far.
func operationFor(app gitopsv1.Application) gitopsv1.Operation {
	op := gitopsv1.Operation{
		Sync:        &gitopsv1.SyncOperation{SyncOptions: gitopsv1.SyncOptions(app.Spec)},
		InitiatedBy: gitopsv1.OperationInitiator{Username: Initiator, Automated: true},
		Info:        []gitopsv1.Info{{Name: "Reason", Value: "the RollingSync of the ApplicationSet has reached this Application"}},
		Retry:       gitopsv1.RetryStrategy{Limit: gitopsv1.DefaultAutomatedRetryLimit},
	}
	if gitopsv1.HasSeveralSources(app.Spec) {
		op.Sync.Revisions = app.Status.Sync.Revisions
	} else {
		op.Sync.Revision = app.Status.Sync.Revision
	}
	policy := app.Spec.SyncPolicy
	if policy != nil && policy.Retry != nil {
		op.Retry = *policy.Retry
	}
	if policy != nil && policy.Automated != nil && policy.Automated.Prune != nil {
		op.Sync.Prune = *policy.Automated.Prune
	}
	return op
}

// slots is how many Applications of a step may be under way: all if maxUpdate is absent; a percentage is rounded down, but not to none.
func slots(limit *intstr.IntOrString, members int) int {
	if limit == nil {
		return members
	}
	if limit.Type == intstr.Int {
		return limit.IntValue()
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(limit.StrVal, "%"))
	if err != nil || percent <= 0 {
		return 0
	}
	return max(percent*members/100, 1)
}

// inSteps puts Applications into the first step that selects them; rest are those that no step selects.
func inSteps(strategy *gitopsv1.ApplicationSetStrategy, apps []gitopsv1.Application) (steps [][]gitopsv1.Application, rest []gitopsv1.Application) {
	if strategy == nil || strategy.RollingSync == nil {
		return nil, apps
	}
	steps = make([][]gitopsv1.Application, len(strategy.RollingSync.Steps))
	for _, app := range apps {
		i := slices.IndexFunc(strategy.RollingSync.Steps, func(s gitopsv1.RollingSyncStep) bool { return selects(s, app.Labels) })
		if i < 0 {
			rest = append(rest, app)
			continue
		}
		steps[i] = append(steps[i], app)
	}
	return steps, rest
}

// selects reports whether all expressions of a step hold; NotIn holds for a label that is absent.
func selects(step gitopsv1.RollingSyncStep, labels map[string]string) bool {
	for _, e := range step.MatchExpressions {
		value, ok := labels[e.Key]
		in := ok && slices.Contains(e.Values, value)
		if in != (e.Operator == string(metav1.LabelSelectorOpIn)) {
			return false
		}
	}
	return true
}

// Unwind lists the Applications to delete next when a set is deleted in reverse: those of the last step that still has some, after those
// that no step selects. Otherwise it lists all. Those that are being deleted already are not listed, but waited for.
func Unwind(set *gitopsv1.ApplicationSet, apps []gitopsv1.Application) []gitopsv1.Application {
	last := apps
	if gitopsv1.DeletesInReverse(set.Spec) {
		steps, rest := inSteps(set.Spec.Strategy, apps)
		last = rest
		for i := len(steps) - 1; i >= 0 && len(last) == 0; i-- {
			last = steps[i]
		}
	}
	var next []gitopsv1.Application
	for _, app := range last {
		if app.DeletionTimestamp == nil {
			next = append(next, app)
		}
	}
	return next
}
