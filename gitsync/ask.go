package gitsync

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// What an observer asks before the observation is complete.

// Refusal says why an Application cannot be looked at further; empty if it can. What it names must not be fetched then.
func Refusal(o Observation) string {
	d := &decision{o: o, app: o.App}
	d.refuse()
	return d.refusal.Message
}

// RefusalOfSync says why the sync under way may not have what it asks for besides the spec; empty if it may. What it names must not be fetched then.
// Anybody who may write an Application may write an operation, and the history from which a rollback is made.
func RefusalOfSync(o Observation) string {
	sync := SyncUnderWay(o.App)
	if sync == nil || o.Project == nil {
		return ""
	}
	rules := o.Project.Spec
	if len(sync.Manifests) > 0 && (len(rules.SignatureKeys) > 0 || rules.SourceIntegrity != nil) {
		return fmt.Sprintf("project '%s' asks for signed commits, and manifests that come with an operation carry no signature", o.Project.Name)
	}
	sources, _ := SourcesOfSync(o.App)
	for _, s := range sources {
		if problem := sourceProblem(s, len(sync.Sources) > 0 || sync.Source == nil && gitopsv1.HasSeveralSources(o.App.Spec)); problem != "" {
			return problem
		}
		if !PermitsSource(rules, s.RepoURL) {
			return fmt.Sprintf("application repo %s is not permitted in project '%s'", s.RepoURL, o.Project.Name)
		}
	}
	return ""
}

// ComparedSame reports whether the last comparison was of the sources and the destination that the spec names now.
func ComparedSame(app *gitopsv1.Application) bool {
	now, then := comparedTo(app.Spec), app.Status.Sync.ComparedTo
	return equality.Semantic.DeepEqual(now.Source, then.Source) && equality.Semantic.DeepEqual(now.Sources, then.Sources) && now.Destination == then.Destination
}

// SyncUnderWay is the sync that Decide is going to carry on; nil if there is none.
func SyncUnderWay(app *gitopsv1.Application) *gitopsv1.SyncOperation {
	s := app.Status.OperationState
	if app.Operation == nil || s == nil || s.Phase.Completed() || !equality.Semantic.DeepEqual(s.Operation, *app.Operation) {
		return nil
	}
	return s.Operation.Sync
}

// AskAgain is how long after a vain question a repository is asked again, for somebody who waits for a sync.
const AskAgain = 10 * time.Second

// BeginsByHand reports whether somebody has asked for a sync that has not begun. Whoever pushes and then syncs means what he pushed, so it begins with
// a look at the repository.
func BeginsByHand(app *gitopsv1.Application) bool {
	return app.Operation != nil && !app.Operation.InitiatedBy.Automated && SyncUnderWay(app) == nil
}

// SourcesOfSync gives the sources of the sync under way and the revisions that stand in for theirs; empty ones do not.
func SourcesOfSync(app *gitopsv1.Application) (sources []gitopsv1.Source, revisions []string) {
	sync, state := SyncUnderWay(app), app.Status.OperationState
	sources = gitopsv1.SourcesOf(app.Spec)
	switch {
	case len(sync.Sources) > 0:
		sources = sync.Sources
	case sync.Source != nil:
		sources = []gitopsv1.Source{*sync.Source}
	}
	revisions = sync.Revisions
	if len(revisions) == 0 && sync.Revision != "" {
		revisions = []string{sync.Revision}
	}
	// Once something was written, the rest of the attempt is of the same commit.
	if r := state.SyncResult; r != nil && len(r.Resources) > 0 {
		switch {
		case len(r.Revisions) > 0:
			revisions = r.Revisions
		case r.Revision != "":
			revisions = []string{r.Revision}
		}
	}
	return sources, revisions
}

// SameMaterial reports whether sources at revisions are what was loaded already.
func SameMaterial(m Material, sources []gitopsv1.Source, revisions []string) bool {
	if !equality.Semantic.DeepEqual(m.Sources, sources) {
		return false
	}
	for i, r := range revisions {
		if r != "" && (i >= len(m.Revisions) || m.Revisions[i] != r) {
			return false
		}
	}
	return true
}

// CreatesNamespace reports whether the destination's Namespace matters to a sync. Where it is out of reach it is taken to be there.
func CreatesNamespace(o Observation) bool {
	return o.App.Spec.Destination.Namespace != "" && gitopsv1.SyncOption(syncOptions(o), "CreateNamespace") == "true" && o.Cluster.Confines(false, "") == ""
}

// CompareKeys sorts as status.resources is sorted.
func CompareKeys(a, b Key) int { return compareKeys(a, b) }

// NormalDigest identifies what a comparison looks at: two states of a live object that differ only in their status have the same.
func NormalDigest(o *unstructured.Unstructured) string {
	tree := normal(o)
	tree["ours"] = ourFields(o)
	text, err := json.Marshal(tree)
	if err != nil {
		return "" // such an object came from no JSON; it equals no other
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// ServiceAccount is the one as which the destination is written to, as namespace:name; empty for the controller's own. Once a project names any, a
// destination for which it names none is an error, because the controller's own rights would be more than anybody meant to give.
func ServiceAccount(o Observation) (string, error) {
	if o.Project == nil || len(o.Project.Spec.DestinationServiceAccounts) == 0 {
		return "", nil
	}
	namespace := o.App.Spec.Destination.Namespace
	for _, a := range o.Project.Spec.DestinationServiceAccounts {
		if !matchesAny([]string{a.Server}, o.Cluster.Server) || !matchesAny([]string{a.Namespace}, namespace) {
			continue
		}
		account := a.DefaultServiceAccount
		if strings.ContainsAny(account, "*!") || account == "" {
			return "", fmt.Errorf("project %s names the service account %q, which is no name", o.Project.Name, account)
		}
		if !strings.Contains(account, ":") {
			account = namespace + ":" + account
		}
		return account, nil
	}
	return "", fmt.Errorf("project %s has destinationServiceAccounts, but none for namespace %q of cluster %s: add one", o.Project.Name, namespace, o.Cluster.Server)
}
