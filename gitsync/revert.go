package gitsync

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// AnnotationRevertBranch names, on an Application, the branch to which a commit is pushed that takes back what a canary rejected. Nothing is pushed
// without it.
const AnnotationRevertBranch = "sluice-delivery.github.io/revert-branch"

// Conditions that tell what came of that.
const (
	ConditionRevertPushed gitopsv1.ApplicationConditionType = "RevertPushed"
	ConditionRevertError  gitopsv1.ApplicationConditionType = "RevertError"
)

// revertRetry is how long a revert that could not be pushed is left alone.
const revertRetry = 10 * time.Minute

// Revert asks for a commit that takes back a rejected one.
type Revert struct {
	Source gitopsv1.Source
	// Commit is held: it was synced when the Rollout first had the manifest that was rejected.
	Commit string
	// Tracked is the commit that the source names now.
	Tracked string
	// Branch is where the revert belongs, without refs/heads/.
	Branch string
	// Rollout is the one that was aborted, and Digest that of its rejected manifest and its workload's.
	Rollout Key
	Digest  string
	// Subject and Body say so in the message of the commit.
	Subject, Body string
}

// Reverted is what came of a Revert.
type Reverted struct {
	Commit, Branch string
	// By is the commit that takes it back; empty if there is none, for the reason that Problem gives.
	By, Problem string
	At          time.Time
}

// revert asks for what takes back rejected commits, each at most once, and tells what came of it.
func (d *decision) revert() {
	branch, asked := d.app.Annotations[AnnotationRevertBranch]
	if !asked {
		return
	}
	var seen []string
	for _, b := range d.rejected {
		if !slices.Contains(seen, b.Revision) {
			seen = append(seen, b.Revision)
			d.revertOne(b, branch)
		}
	}
}

func (d *decision) revertOne(b brought, branch string) {
	if problem := cannotRevert(d.app.Spec, b.Revision, branch); problem != "" {
		d.tellOfRevert(ConditionRevertError, fmt.Sprintf("Commit %s is not reverted: %s", short(b.Revision), problem))
		return
	}
	known := slices.IndexFunc(d.o.Reverted, func(r Reverted) bool { return r.Commit == b.Revision && r.Branch == branch })
	if known < 0 {
		d.plan.Reverts = append(d.plan.Reverts, d.revertOf(b, branch))
		return
	}
	r := d.o.Reverted[known]
	if r.Problem == "" {
		d.tellOfRevert(ConditionRevertPushed, fmt.Sprintf("Commit %s on the branch %s reverts %s, which is held", short(r.By), branch, short(b.Revision)))
		return
	}
	d.tellOfRevert(ConditionRevertError, fmt.Sprintf("Commit %s is not reverted on the branch %s: %s", short(b.Revision), branch, r.Problem))
	if left := r.At.Add(revertRetry).Sub(d.o.Now); left > 0 {
		d.again(left)
		return
	}
	d.plan.Reverts = append(d.plan.Reverts, d.revertOf(b, branch))
}

func (d *decision) revertOf(b brought, branch string) Revert {
	rollout := title(b.key())
	reason := strings.Join(strings.Fields(d.mask.Text(b.Reason)), " ")
	return Revert{
		Source: *d.app.Spec.Source, Commit: b.Revision, Tracked: d.o.Target.revision(), Branch: branch, Rollout: b.key(), Digest: b.Digest,
		Subject: fmt.Sprintf("Revert what the canary of %s rejected", rollout),
		Body:    fmt.Sprintf("%s of the application %s was aborted: %s", rollout, TrackingName(d.app, d.o.ControlNamespace), reason),
	}
}

// tellOfRevert says something in a condition, and the first time in an event.
func (d *decision) tellOfRevert(kind gitopsv1.ApplicationConditionType, message string) {
	d.condition(kind, message)
	message = d.mask.Text(message)
	told := func(c gitopsv1.ApplicationCondition) bool { return c.Type == kind && c.Message == message }
	if slices.ContainsFunc(d.o.App.Status.Conditions, told) {
		return
	}
	level := corev1.EventTypeNormal
	if kind == ConditionRevertError {
		level = corev1.EventTypeWarning
	}
	d.note(level, string(kind), message)
}

var (
	commitName = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	// branchName leaves out more than Git does, so that a name is one everywhere and never an option, a range or a full ref.
	branchName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$`)
)

const longestBranch = 200

// cannotRevert says why a commit cannot be taken back whatever the repository says; empty if it can.
func cannotRevert(spec gitopsv1.ApplicationSpec, commit, branch string) string {
	switch {
	case !branchName.MatchString(branch) || len(branch) > longestBranch || strings.Contains(branch, "..") || strings.HasPrefix(branch, "refs/") ||
		strings.HasSuffix(branch, ".") || strings.Contains(branch+"/", ".lock/") || branch == "HEAD":
		return fmt.Sprintf("the annotation %s must name a branch, such as revert/web, and not %.80q", AnnotationRevertBranch, branch)
	case gitopsv1.HasSeveralSources(spec) || spec.Source == nil:
		return "the application has several sources, and it is not known which of them brought the manifest"
	case spec.Source.Chart != "" || !commitName.MatchString(commit):
		return "only a commit of a Git repository can be reverted"
	}
	return ""
}

// Brings reports whether some material has another manifest for the rejected Rollout than the one that was rejected, so that what came after it
// brought that.
func (r Revert) Brings(o Observation, m Material) bool {
	for _, release := range releasesIn(o.prepared(m)) {
		if release.key() == r.Rollout {
			return release.digest() != r.Digest
		}
	}
	return true
}
