package generate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// State is everything that Decide rests on.
type State struct {
	Set *gitopsv1.ApplicationSet
	// Wanted is what Generate gave, without error and without questions.
	Wanted []gitopsv1.Application
	// Current are all Applications of the set's namespace, also those of others.
	Current []gitopsv1.Application
	// Projects are the names of the AppProjects that Applications of this namespace may use.
	Projects []string
	// Clusters are the destinations that are known; the local one need not be among them.
	Clusters []Cluster
	Policy   gitopsv1.ApplicationsSync
	// Paths evaluates the jqPathExpressions of ignoreApplicationDifferences.
	Paths PathFinder
}

// Plan is what is left to write.
type Plan struct {
	// Create and Update hold whole objects; an Update carries the resource version that it was computed from.
	Create, Update []gitopsv1.Application
	Delete         []gitopsv1.Application
	// Refused are Applications that are neither created nor updated nor deleted.
	Refused []Refusal
	Notes   []Note

	// waiting are the refused Applications as they should be, and leaving the names of those that go and are not wanted back.
	waiting []gitopsv1.Application
	leaving []string
}

// Applied is what the plan makes of the Applications of a set, so that no step of a RollingSync goes past one that is only being made or changed,
// or that is refused, and none waits for one that goes for good.
func (p Plan) Applied(own []gitopsv1.Application) []gitopsv1.Application {
	all, known := slices.Concat(p.Create, p.Update, p.waiting), map[string]bool{}
	for _, app := range all {
		known[app.Name] = true
	}
	for _, name := range p.leaving {
		known[name] = true
	}
	for _, app := range own {
		if !known[app.Name] {
			all = append(all, app)
		}
	}
	return all
}

// Refusal says why an Application is left as it is.
type Refusal struct {
	Application, Why string
}

// PolicyOf is what a set may do: what it says itself, unless the controller was started with a policy that it may not override. An empty
// policy of the controller leaves the choice to the set.
func PolicyOf(spec gitopsv1.ApplicationSetSpec, controller gitopsv1.ApplicationsSync, mayOverride bool) gitopsv1.ApplicationsSync {
	own := spec.SyncPolicy != nil && spec.SyncPolicy.ApplicationsSync != nil
	if controller == "" || mayOverride && own {
		return gitopsv1.ApplicationsSyncOf(spec)
	}
	return controller
}

func mayUpdate(p gitopsv1.ApplicationsSync) bool {
	return p == gitopsv1.ApplicationsSyncAll || p == gitopsv1.ApplicationsSyncCreateUpdate
}

func mayDelete(p gitopsv1.ApplicationsSync) bool {
	return p == gitopsv1.ApplicationsSyncAll || p == gitopsv1.ApplicationsSyncCreateDelete
}

// Decide compares the Applications that there should be with those that there are.
func Decide(s State) Plan {
	var p Plan
	current := map[string]gitopsv1.Application{}
	for _, app := range s.Current {
		current[app.Name] = app
	}
	mentioned, names := map[string]bool{}, countNames(s.Wanted)
	for _, app := range s.Wanted {
		if mentioned[app.Name] {
			continue
		}
		mentioned[app.Name] = true
		found, exists := current[app.Name]
		why := s.refusal(app, found, names[app.Name])
		if why == "" {
			why = s.write(&p, app, found, exists)
		}
		if why != "" {
			p.Refused, p.waiting = append(p.Refused, Refusal{app.Name, why}), append(p.waiting, app)
		}
	}
	s.deleteOthers(&p, mentioned)
	return p
}

func countNames(apps []gitopsv1.Application) map[string]int {
	names := map[string]int{}
	for _, app := range apps {
		names[app.Name]++
	}
	return names
}

// write adds an Application to what is created or updated; it returns why that cannot be decided.
func (s State) write(p *Plan, wanted, found gitopsv1.Application, exists bool) string {
	if gitopsv1.IsRolling(s.Set.Spec) {
		wanted = withoutAutomation(wanted)
	}
	switch {
	case !exists:
		wanted.OwnerReferences = []metav1.OwnerReference{ownerOf(s.Set)}
		p.Create = append(p.Create, wanted)
		return ""
	case found.DeletionTimestamp != nil:
		p.Notes = append(p.Notes, Note{"ApplicationTerminating", fmt.Sprintf("Application %s is being deleted; it is made again when it is gone", found.Name)})
		return ""
	case !mayUpdate(s.Policy):
		return ""
	}
	next, err := s.brought(found, wanted)
	if err != nil {
		return err.Error()
	}
	if !same(found, next) {
		p.Update = append(p.Update, next)
	}
	return ""
}

// deleteOthers deletes the Applications of this set that it mentions no more. It deletes none if it mentions none at all, because that is
// rather a mistake or a failure than a wish, and none as long as one has a broken name, because nobody can tell which one is meant.
func (s State) deleteOthers(p *Plan, mentioned map[string]bool) {
	var extra []gitopsv1.Application
	for _, app := range s.Current {
		switch {
		case mentioned[app.Name] || !isOwned(app, s.Set):
		case app.DeletionTimestamp != nil:
			p.leaving = append(p.leaving, app.Name)
		default:
			extra = append(extra, app)
		}
	}
	switch {
	case len(extra) == 0 || !mayDelete(s.Policy):
	case len(s.Wanted) == 0:
		p.Notes = append(p.Notes, Note{"NothingGenerated", fmt.Sprintf(
			"the generators give no Application, so none of %d is deleted; delete the ApplicationSet, or them, if that is meant", len(extra))})
	case slices.ContainsFunc(p.Refused, func(r Refusal) bool { return nameProblem(r.Application) != "" }):
		p.Notes = append(p.Notes, Note{"NameRefused", fmt.Sprintf(
			"%d Applications are wanted no more and are kept until every name can be used", len(extra))})
	default:
		slices.SortFunc(extra, func(a, b gitopsv1.Application) int { return strings.Compare(a.Name, b.Name) })
		p.Delete = extra
		for _, app := range extra {
			p.leaving = append(p.leaving, app.Name)
		}
	}
}

// refusal says why an Application is left as it is; empty if nothing speaks against it.
func (s State) refusal(app, found gitopsv1.Application, times int) string {
	if problem := nameProblem(app.Name); problem != "" {
		return fmt.Sprintf("the name %q cannot be used: %s", app.Name, problem)
	}
	if times > 1 {
		return fmt.Sprintf("%d sets of parameters give the name %s; make the name of the template tell them apart", times, app.Name)
	}
	if owner := metav1.GetControllerOf(&found); owner != nil && owner.UID != s.Set.UID {
		return fmt.Sprintf("Application %s belongs to %s %s", app.Name, owner.Kind, owner.Name)
	}
	if project := gitopsv1.ProjectName(app.Spec); !slices.Contains(s.Projects, project) {
		return fmt.Sprintf("the project %s does not exist, or does not permit Applications in namespace %s", project, s.Set.Namespace)
	}
	return s.unknownDestination(app.Spec.Destination)
}

func nameProblem(name string) string {
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return problems[0]
	}
	return ""
}

func (s State) unknownDestination(d gitopsv1.Destination) string {
	switch {
	case d.Server != "" && d.Name != "":
		return fmt.Sprintf("the destination has the server %s and the name %s; keep one", d.Server, d.Name)
	case d.Server == "" && d.Name == "":
		return "the destination has neither a server nor a name"
	case d.Server == gitopsv1.InClusterServer || d.Name == gitopsv1.InClusterName:
		return ""
	}
	known := slices.ContainsFunc(s.Clusters, func(c Cluster) bool {
		return d.Name != "" && c.Name == d.Name || d.Server != "" && strings.TrimSuffix(c.Server, "/") == strings.TrimSuffix(d.Server, "/")
	})
	if !known {
		return fmt.Sprintf("no cluster is known as %s%s", d.Server, d.Name)
	}
	return ""
}

// withoutAutomation leaves syncing to the steps of the set.
func withoutAutomation(app gitopsv1.Application) gitopsv1.Application {
	if app.Spec.SyncPolicy == nil || app.Spec.SyncPolicy.Automated == nil {
		return app
	}
	app.Spec = *app.Spec.DeepCopy()
	app.Spec.SyncPolicy.Automated.Enabled = ptr.To(false)
	return app
}

func ownerOf(set *gitopsv1.ApplicationSet) metav1.OwnerReference {
	return *metav1.NewControllerRef(set, gitopsv1.ApplicationSetKind)
}

func isOwned(app gitopsv1.Application, set *gitopsv1.ApplicationSet) bool {
	owner := metav1.GetControllerOf(&app)
	return owner != nil && owner.UID == set.UID
}

// same reports whether nothing that a set writes differs.
func same(a, b gitopsv1.Application) bool {
	left, errLeft := writtenPart(a)
	right, errRight := writtenPart(b)
	return errLeft == nil && errRight == nil && reflect.DeepEqual(left, right)
}

// equalJSON reports whether two values are written alike, whatever the order of their fields.
func equalJSON(a, b any) bool {
	left, errLeft := tree(map[string]any{"value": a})
	right, errRight := tree(map[string]any{"value": b})
	return errLeft == nil && errRight == nil && reflect.DeepEqual(left, right)
}
