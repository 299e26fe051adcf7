package gitsync

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

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

// longestReason is how many characters of a reason a commit tells.
const longestReason = 1000

// revertRetry is how long a revert that could not be pushed is left alone.
const revertRetry = 10 * time.Minute

// Change is what became of one repository when a rejected manifest came.
type Change struct {
	Source gitopsv1.Source
	// Places are those of the Application's sources that changed so, counted from 0: several may name one repository.
	Places []int
	// Commit is held: it was synced when the Rollout first had the manifest that was rejected. Before was synced before it; empty where that does not
	// matter.
	Commit, Before string
	// Tracked is the commit that the source names now.
	Tracked string
}

// Revert asks for a commit that takes back a rejected one.
type Revert struct {
	Change
	// Suspects are the changes of which one may have brought the manifest, where there are several; Choose makes one of them Change.
	Suspects []Change
	// Held names what is held, for Reverted.
	Held string
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
	Held, Branch string
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
		if !slices.Contains(seen, b.held()) {
			seen = append(seen, b.held())
			d.revertOne(b, branch)
		}
	}
}

func (d *decision) revertOne(b brought, branch string) {
	changes, problem := d.changesOf(b)
	if bad := badBranch(branch); bad != "" {
		problem = bad
	}
	if problem != "" {
		d.tellOfRevert(ConditionRevertError, fmt.Sprintf("Commit %s is not reverted: %s", b.commits(), problem))
		return
	}
	known := slices.IndexFunc(d.o.Reverted, func(r Reverted) bool { return r.Held == b.held() && r.Branch == branch })
	if known < 0 {
		d.plan.Reverts = append(d.plan.Reverts, d.revertOf(b, changes, branch))
		return
	}
	r := d.o.Reverted[known]
	if r.Problem == "" {
		d.tellOfRevert(ConditionRevertPushed, fmt.Sprintf("Commit %s on the branch %s reverts %s, which is held", short(r.By), branch, b.commits()))
		return
	}
	d.tellOfRevert(ConditionRevertError, fmt.Sprintf("Commit %s is not reverted on the branch %s: %s", b.commits(), branch, r.Problem))
	if left := r.At.Add(revertRetry).Sub(d.o.Now); left > 0 {
		d.again(left)
		return
	}
	d.plan.Reverts = append(d.plan.Reverts, d.revertOf(b, changes, branch))
}

func (d *decision) revertOf(b brought, changes []Change, branch string) Revert {
	rollout := title(b.key())
	// What a controller wrote is no part of the message's form, and no command to a terminal.
	reason := strings.Join(strings.FieldsFunc(d.mask.Text(b.Reason), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	r := Revert{
		Held: b.held(), Branch: branch, Rollout: b.key(), Digest: b.Digest,
		Subject: fmt.Sprintf("Revert what the canary of %s rejected", rollout),
		Body:    fmt.Sprintf("%s of the application %s was aborted: %.*s", rollout, TrackingName(d.app, d.o.ControlNamespace), longestReason, reason),
	}
	if len(changes) == 1 {
		r.Change = changes[0]
	} else {
		r.Suspects = changes
	}
	return r
}

// changesOf lists what may have brought a rejected manifest, or says why nothing of that can be taken back.
func (d *decision) changesOf(b brought) (changes []Change, problem string) {
	spec := d.app.Spec
	switch now := d.o.Target.Revisions; {
	case !gitopsv1.HasSeveralSources(spec) && spec.Source != nil:
		changes = []Change{{Source: *spec.Source, Places: []int{0}, Commit: b.Revision, Tracked: d.o.Target.revision()}}
	case len(b.Before) != len(spec.Sources) || len(b.Revisions) != len(spec.Sources) || len(now) != len(spec.Sources):
		return nil, "the application has several sources, and it is not known which commits of just these were synced before it"
	default:
		changes = b.changes(spec.Sources, now)
	}
	switch len(changes) {
	case 0:
		problem = "none of its sources has changed since what was synced before it"
	case 1:
		problem = changes[0].problem()
	}
	return changes, problem
}

// changes lists what changed among several sources. Those of one repository that changed alike are one.
func (b brought) changes(sources []gitopsv1.Source, now []string) (all []Change) {
	for i, source := range sources {
		if b.Before[i] == b.Revisions[i] {
			continue
		}
		one := Change{Source: source, Places: []int{i}, Commit: b.Revisions[i], Before: b.Before[i], Tracked: now[i]}
		if known := slices.IndexFunc(all, one.alike); known >= 0 {
			all[known].Places = append(all[known].Places, i)
		} else {
			all = append(all, one)
		}
	}
	return all
}

// alike reports whether two changes are of one repository and between the same commits.
func (c Change) alike(other Change) bool {
	return NormalURL(c.Source.RepoURL) == NormalURL(other.Source.RepoURL) && c.Source.Chart == other.Source.Chart &&
		c.Commit == other.Commit && c.Before == other.Before && c.Tracked == other.Tracked
}

// problem says why a change can never be taken back; empty if it can.
func (c Change) problem() string {
	if c.Source.Chart != "" || !commitName.MatchString(c.Commit) {
		return "only a commit of a Git repository can be reverted"
	}
	return ""
}

// At gives the revisions of all sources with another one in the places of the change.
func (c Change) At(revisions []string, other string) []string {
	all := slices.Clone(revisions)
	for _, place := range c.Places {
		all[place] = other
	}
	return all
}

// Choose makes the one suspect that brought the manifest what is taken back. brings tells of each suspect whether the manifest would be another one
// without it.
func (r Revert) Choose(brings func(Change) (bool, error)) (Revert, error) {
	if len(r.Suspects) == 0 {
		return r, nil
	}
	var guilty []Change
	var named []string
	for _, c := range r.Suspects {
		named = append(named, fmt.Sprintf("sources%v", c.Places))
		yes, err := brings(c)
		if err != nil {
			return r, err
		}
		if yes {
			guilty = append(guilty, c)
		}
	}
	if len(guilty) != 1 {
		return r, fmt.Errorf("%s changed at once, and not just one of them brought the manifest", strings.Join(named, " and "))
	}
	r.Change, r.Suspects = guilty[0], nil
	if problem := r.problem(); problem != "" {
		return r, fmt.Errorf("sources%v brought it, and %s", r.Places, problem)
	}
	return r, nil
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

// badBranch says why a branch can never be pushed to, whatever the repository says; empty if it can.
func badBranch(branch string) string {
	if !branchName.MatchString(branch) || len(branch) > longestBranch || strings.Contains(branch, "..") || strings.HasPrefix(branch, "refs/") ||
		strings.HasSuffix(branch, ".") || strings.Contains(branch+"/", ".lock/") || branch == "HEAD" {
		return fmt.Sprintf("the annotation %s must name a branch, such as revert/web, and not %.80q", AnnotationRevertBranch, branch)
	}
	return ""
}

// Brings reports whether some material has another manifest for the rejected Rollout than the one that was rejected, so that what came after it
// brought that.
func (r Revert) Brings(o Observation, m Material) bool {
	for _, release := range o.releases(o.prepared(m)) {
		if release.key() == r.Rollout {
			return release.digest() != r.Digest
		}
	}
	return true
}
