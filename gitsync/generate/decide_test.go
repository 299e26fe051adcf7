package generate

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func application(t *testing.T, text string) gitopsv1.Application {
	t.Helper()
	var app gitopsv1.Application
	if err := yaml.UnmarshalStrict([]byte(text), &app); err != nil {
		t.Fatal(err)
	}
	if app.Spec.Destination == (gitopsv1.Destination{}) {
		app.Spec.Destination = gitopsv1.Destination{Name: gitopsv1.InClusterName}
	}
	return app
}

func named(t *testing.T, names ...string) []gitopsv1.Application {
	t.Helper()
	var apps []gitopsv1.Application
	for _, name := range names {
		apps = append(apps, application(t, `metadata: {name: "`+name+`", namespace: argocd, labels: {v: "1"}}`))
	}
	return apps
}

// childrenOf are Applications that exist already and belong to the set.
func childrenOf(t *testing.T, set *gitopsv1.ApplicationSet, names ...string) []gitopsv1.Application {
	t.Helper()
	apps := named(t, names...)
	for i := range apps {
		apps[i].OwnerReferences = []metav1.OwnerReference{ownerOf(set)}
	}
	return apps
}

func changed(apps []gitopsv1.Application) []gitopsv1.Application {
	for i := range apps {
		apps[i].Labels = map[string]string{"v": "2"}
	}
	return apps
}

type outcome struct {
	Create, Update, Delete, Refused []string
}

func summary(p Plan) outcome {
	o := outcome{names(p.Create), names(p.Update), names(p.Delete), []string{}}
	for _, r := range p.Refused {
		o.Refused = append(o.Refused, r.Application)
	}
	return o
}

func TestDecide(t *testing.T) {
	set := setOf(t, "[]", false)
	foreign := named(t, "b")
	foreign[0].OwnerReferences = []metav1.OwnerReference{{Kind: "ApplicationSet", Name: "other", UID: "other", Controller: ptr.To(true)}}
	dying := childrenOf(t, set, "b")
	dying[0].DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	elsewhere := named(t, "a")
	elsewhere[0].Spec.Destination = gitopsv1.Destination{Server: "https://gone.example.com"}
	both := named(t, "a")
	both[0].Spec.Destination = gitopsv1.Destination{Server: "https://one.example.com", Name: "one"}
	nowhere := named(t, "a")
	nowhere[0].Spec.Destination = gitopsv1.Destination{}
	known := named(t, "a", "b")
	known[0].Spec.Destination = gitopsv1.Destination{Server: "https://one.example.com/"}
	known[1].Spec.Destination = gitopsv1.Destination{Name: "one"}
	project := named(t, "a")
	project[0].Spec.Project = "nope"
	for _, c := range []struct {
		name            string
		wanted, current []gitopsv1.Application
		policy          gitopsv1.ApplicationsSync
		want            outcome
		note            string
	}{
		{"makes, changes and deletes", changed(named(t, "a", "b")), childrenOf(t, set, "b", "c"), "", outcome{Create: []string{"a"}, Update: []string{"b"}, Delete: []string{"c"}}, ""},
		{"leaves alone what is as it should be", named(t, "a"), childrenOf(t, set, "a"), "", outcome{}, ""},
		{"takes over what nobody owns", named(t, "a"), named(t, "a"), "", outcome{Update: []string{"a"}}, ""},
		{"deletes nothing that it does not own", named(t, "a"), append(childrenOf(t, set, "a"), named(t, "other")...), "", outcome{}, ""},
		{"deletes nothing when there is nothing wanted", nil, childrenOf(t, set, "a", "b"), "", outcome{}, "NothingGenerated"},
		{"only creates", changed(named(t, "a", "b")), childrenOf(t, set, "b", "c"), gitopsv1.ApplicationsSyncCreateOnly, outcome{Create: []string{"a"}}, ""},
		{"creates and updates", changed(named(t, "a", "b")), childrenOf(t, set, "b", "c"), gitopsv1.ApplicationsSyncCreateUpdate, outcome{Create: []string{"a"}, Update: []string{"b"}}, ""},
		{"creates and deletes", changed(named(t, "a", "b")), childrenOf(t, set, "b", "c"), gitopsv1.ApplicationsSyncCreateDelete, outcome{Create: []string{"a"}, Delete: []string{"c"}}, ""},
		{"refuses a name twice, and keeps what has it", named(t, "a", "b", "b"), childrenOf(t, set, "b"), "", outcome{Create: []string{"a"}, Refused: []string{"b"}}, ""},
		{"refuses a broken name and deletes nothing then", named(t, "a-<no value>", "b"), childrenOf(t, set, "a-prod", "b"), "", outcome{Refused: []string{"a-<no value>"}}, "NameRefused"},
		{"refuses no name", named(t, ""), nil, "", outcome{Refused: []string{""}}, ""},
		{"refuses what belongs to another set", named(t, "a", "b"), foreign, "", outcome{Create: []string{"a"}, Refused: []string{"b"}}, ""},
		{"refuses an unknown project, and keeps what is there", project, childrenOf(t, set, "a"), "", outcome{Refused: []string{"a"}}, ""},
		{"refuses an unknown cluster", elsewhere, nil, "", outcome{Refused: []string{"a"}}, ""},
		{"refuses two destinations", both, nil, "", outcome{Refused: []string{"a"}}, ""},
		{"refuses no destination", nowhere, nil, "", outcome{Refused: []string{"a"}}, ""},
		{"finds a cluster by server and by name", known, nil, "", outcome{Create: []string{"a", "b"}}, ""},
		{"waits for what is being deleted", changed(named(t, "b")), dying, "", outcome{}, "ApplicationTerminating"},
		{"does not delete twice", named(t, "a"), dying, "", outcome{Create: []string{"a"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.policy == "" {
				c.policy = gitopsv1.ApplicationsSyncAll
			}
			p := Decide(State{Set: set, Wanted: c.wanted, Current: c.current, Policy: c.policy, Projects: []string{"default"}, Clusters: []Cluster{{Name: "one", Server: "https://one.example.com"}}})
			for _, list := range []*[]string{&c.want.Create, &c.want.Update, &c.want.Delete, &c.want.Refused} {
				if *list == nil {
					*list = []string{}
				}
			}
			if diff := cmp.Diff(c.want, summary(p)); diff != "" {
				t.Error(diff)
			}
			reasons := ""
			for _, n := range p.Notes {
				reasons += n.Reason
			}
			if reasons != c.note {
				t.Errorf("notes %v, want %q", p.Notes, c.note)
			}
		})
	}
}

func TestWhatIsMadeBelongsToItsSet(t *testing.T) {
	set := setOf(t, "[]", false)
	p := Decide(State{Set: set, Wanted: named(t, "a"), Policy: gitopsv1.ApplicationsSyncAll, Projects: []string{"default"}})
	want := []metav1.OwnerReference{{APIVersion: "argoproj.io/v1alpha1", Kind: "ApplicationSet", Name: "set", UID: "set-uid", Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true)}}
	if diff := cmp.Diff(want, p.Create[0].OwnerReferences); diff != "" {
		t.Error(diff)
	}
}

func TestAnUpdateKeepsWhatIsNotItsOwn(t *testing.T) {
	set := setOf(t, "[]", false)
	set.Spec.PreservedFields = &gitopsv1.PreservedFields{Annotations: []string{"example.com/note"}, Labels: []string{"team"}}
	found := application(t, `
metadata:
  name: a
  namespace: argocd
  resourceVersion: "7"
  labels: {team: x, stale: "1", v: "1"}
  annotations:
    argocd.argoproj.io/refresh: hard
    argocd.argoproj.io/deletion-approved: "2024-01-01T00:00:00Z"
    notified.notifications.argoproj.io: '{"a":1}'
    example.com/note: kept
    example.com/other: gone
  finalizers: [resources-finalizer.argocd.argoproj.io, post-delete-finalizer.argocd.argoproj.io/cleanup, example.com/gone]
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: c, uid: c}]
spec: {project: default, destination: {name: in-cluster}, source: {repoURL: r, targetRevision: old}}
operation: {sync: {revision: abc}}
status: {sync: {status: Synced}}`)
	wanted := application(t, `
metadata: {name: a, namespace: argocd, labels: {v: "2"}, finalizers: [resources-finalizer.argocd.argoproj.io]}
spec: {project: default, destination: {name: in-cluster}, source: {repoURL: r, targetRevision: new}}`)
	p := Decide(State{Set: set, Wanted: []gitopsv1.Application{wanted}, Current: []gitopsv1.Application{found}, Policy: gitopsv1.ApplicationsSyncAll, Projects: []string{"default"}})
	want := application(t, `
metadata:
  name: a
  namespace: argocd
  resourceVersion: "7"
  labels: {team: x, v: "2"}
  annotations:
    argocd.argoproj.io/refresh: hard
    argocd.argoproj.io/deletion-approved: "2024-01-01T00:00:00Z"
    notified.notifications.argoproj.io: '{"a":1}'
    example.com/note: kept
  finalizers: [resources-finalizer.argocd.argoproj.io, post-delete-finalizer.argocd.argoproj.io/cleanup]
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: c, uid: c}]
spec: {project: default, destination: {name: in-cluster}, source: {repoURL: r, targetRevision: new}}
operation: {sync: {revision: abc}}
status: {sync: {status: Synced}}`)
	want.OwnerReferences = append(want.OwnerReferences, ownerOf(set))
	if diff := cmp.Diff([]gitopsv1.Application{want}, p.Update); diff != "" {
		t.Fatal(diff)
	}
	again := Decide(State{Set: set, Wanted: []gitopsv1.Application{wanted}, Current: p.Update, Policy: gitopsv1.ApplicationsSyncAll, Projects: []string{"default"}})
	if len(again.Update) > 0 {
		t.Error("an Application that was just written is written again")
	}
}

func TestFieldsThatUsersMayChange(t *testing.T) {
	const found = `
metadata: {name: a, namespace: argocd, labels: {tmp: "1"}}
spec:
  project: default
  destination: {name: in-cluster}
  sources:
    - {repoURL: r, targetRevision: live, helm: {parameters: [{name: x, value: live}, {name: z, value: live}]}}
  syncPolicy: {automated: {enabled: false}}`
	const wanted = `
metadata: {name: a, namespace: argocd}
spec:
  project: default
  destination: {name: in-cluster}
  sources:
    - {repoURL: r, targetRevision: main, helm: {parameters: [{name: x, value: git}, {name: z, value: git}]}}
  syncPolicy: {automated: {prune: true}}`
	paths := func(expression string, object map[string]any) ([][]any, error) {
		if expression != ".params" {
			return nil, errors.New("syntax")
		}
		return [][]any{{"spec", "sources", 0, "helm", "parameters", 1, "value"}, {"spec", "nothing", "here"}}, nil
	}
	for _, c := range []struct {
		name, rule string
		finder     PathFinder
		check      func(gitopsv1.Application) any
		want       any
		refused    string
	}{
		{"a field", `{jsonPointers: [/spec/sources/0/targetRevision]}`, nil, func(a gitopsv1.Application) any { return a.Spec.Sources[0].TargetRevision }, "live", ""},
		{"a field of another Application", `{name: b, jsonPointers: [/spec/sources/0/targetRevision]}`, nil, func(a gitopsv1.Application) any { return a.Spec.Sources[0].TargetRevision }, "main", ""},
		{"a whole part", `{name: a, jsonPointers: [/spec/syncPolicy]}`, nil, func(a gitopsv1.Application) any { return a.Spec.SyncPolicy.Automated.Prune }, (*bool)(nil), ""},
		{"a field that only users set", `{jsonPointers: [/spec/syncPolicy/automated/enabled]}`, nil, func(a gitopsv1.Application) any { return *a.Spec.SyncPolicy.Automated.Enabled }, false, ""},
		{"a field that only Git sets", `{jsonPointers: [/spec/syncPolicy/automated/prune]}`, nil, func(a gitopsv1.Application) any { return a.Spec.SyncPolicy.Automated.Prune }, (*bool)(nil), ""},
		{"labels", `{jsonPointers: [/metadata/labels]}`, nil, func(a gitopsv1.Application) any { return a.Labels["tmp"] }, "1", ""},
		{"a place that does not exist", `{jsonPointers: [/spec/source/path, /spec/sources/7/path]}`, nil, func(a gitopsv1.Application) any { return a.Spec.Source }, (*gitopsv1.Source)(nil), ""},
		{"a jq expression", `{jqPathExpressions: [.params]}`, paths, func(a gitopsv1.Application) any { return a.Spec.Sources[0].Helm.Parameters }, []gitopsv1.HelmParameter{{Name: "x", Value: "git"}, {Name: "z", Value: "live"}}, ""},
		{"a jq expression that is none", `{jqPathExpressions: [broken]}`, paths, nil, nil, "syntax"},
		{"a jq expression that nobody evaluates", `{jqPathExpressions: [.params]}`, nil, nil, nil, "use jsonPointers"},
		{"a pointer that is none", `{jsonPointers: [spec]}`, nil, nil, nil, "slash"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := setOf(t, "[]", false)
			if err := yaml.UnmarshalStrict([]byte("["+c.rule+"]"), &set.Spec.IgnoreApplicationDifferences); err != nil {
				t.Fatal(err)
			}
			p := Decide(State{Set: set, Wanted: []gitopsv1.Application{application(t, wanted)}, Current: []gitopsv1.Application{application(t, found)},
				Policy: gitopsv1.ApplicationsSyncAll, Projects: []string{"default"}, Paths: c.finder})
			if c.refused != "" {
				if len(p.Refused) != 1 || len(p.Update) > 0 || !strings.Contains(p.Refused[0].Why, c.refused) {
					t.Errorf("refused %v, updated %v", p.Refused, names(p.Update))
				}
				return
			}
			if diff := cmp.Diff(c.want, c.check(p.Update[0])); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAChangeThatUsersMayMakeIsNoDifference(t *testing.T) {
	set := setOf(t, "[]", false)
	set.Spec.IgnoreApplicationDifferences = []gitopsv1.IgnoreApplicationDifference{{JSONPointers: []string{"/metadata/labels/v"}}}
	p := Decide(State{Set: set, Wanted: changed(named(t, "a")), Current: childrenOf(t, set, "a"), Policy: gitopsv1.ApplicationsSyncAll, Projects: []string{"default"}})
	if len(p.Update) > 0 {
		t.Errorf("updated %v", p.Update[0].Labels)
	}
}

func TestThePolicyOfTheControllerWinsUnlessItMayBeOverridden(t *testing.T) {
	own := gitopsv1.ApplicationSetSpec{SyncPolicy: &gitopsv1.ApplicationSetSyncPolicy{ApplicationsSync: ptr.To(gitopsv1.ApplicationsSyncCreateOnly)}}
	for _, c := range []struct {
		name       string
		spec       gitopsv1.ApplicationSetSpec
		controller gitopsv1.ApplicationsSync
		override   bool
		want       gitopsv1.ApplicationsSync
	}{
		{"neither says anything", gitopsv1.ApplicationSetSpec{}, "", false, gitopsv1.ApplicationsSyncAll},
		{"only the set", own, "", false, gitopsv1.ApplicationsSyncCreateOnly},
		{"both", own, gitopsv1.ApplicationsSyncCreateUpdate, false, gitopsv1.ApplicationsSyncCreateUpdate},
		{"both, and the set may", own, gitopsv1.ApplicationsSyncCreateUpdate, true, gitopsv1.ApplicationsSyncCreateOnly},
		{"the set may and does not", gitopsv1.ApplicationSetSpec{}, gitopsv1.ApplicationsSyncCreateUpdate, true, gitopsv1.ApplicationsSyncCreateUpdate},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := PolicyOf(c.spec, c.controller, c.override); got != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestStepsTakeOverFromAutomation(t *testing.T) {
	set := setOf(t, "[]", false)
	set.Spec.Strategy = &gitopsv1.ApplicationSetStrategy{Type: gitopsv1.StrategyRollingSync, RollingSync: &gitopsv1.RollingSync{}}
	wanted := application(t, `{metadata: {name: a}, spec: {syncPolicy: {automated: {prune: true}}}}`)
	p := Decide(State{Set: set, Wanted: []gitopsv1.Application{wanted}, Policy: gitopsv1.ApplicationsSyncAll, Projects: []string{"default"}})
	if gitopsv1.IsAutomated(p.Create[0].Spec) || !gitopsv1.IsAutomated(wanted.Spec) {
		t.Error("the Application syncs by itself, or the wanted one was changed")
	}
}
