package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/console/verb"
	"github.com/sluice-delivery/sluice/controllers/application"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/golden"
)

const apps = "testdata/apps.yaml"

func (c *console) app(t *testing.T, key client.ObjectKey) *gitopsv1.Application {
	t.Helper()
	cluster, err := c.connect()
	if err != nil {
		t.Fatal(err)
	}
	app := &gitopsv1.Application{}
	if err := cluster.Get(t.Context(), key, app); err != nil {
		t.Fatal(err)
	}
	return app
}

var shop = client.ObjectKey{Namespace: "argocd", Name: "shop"}

func TestPicturesOfApplications(t *testing.T) {
	for name, c := range map[string]struct {
		line  string
		width int
	}{
		"app-list-80.txt":      {"app list", 80},
		"app-list.txt":         {"app ls -A", 0},
		"app-list-wide.txt":    {"app list -o wide", 0},
		"app-list-name.txt":    {"apps list -o name", 0},
		"app-list-json.txt":    {"app list -p web -o json", 0},
		"app-get-80.txt":       {"app get shop", 80},
		"app-get.txt":          {"app get argocd/shop --show-operation", 0},
		"app-get-several.txt":  {"app get docs", 0},
		"app-get-new.txt":      {"app get team/lab", 0},
		"app-resources.txt":    {"app resources shop -o name", 0},
		"app-history.txt":      {"app history shop", 0},
		"app-history-id.txt":   {"app history shop -o id", 0},
		"app-history-none.txt": {"app history docs", 0},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := open(serve(t, apps), c.width, 50)
			c2.env = noColour
			if code := c2.do(t, c.line); code != 0 {
				t.Fatalf("exit code %d: %s", code, c2.err.String())
			}
			for _, l := range strings.Split(c2.text(), "\n") {
				if n := (line{{text: l}}).width(); c.width > 0 && n > c.width {
					t.Errorf("%d columns: %s", n, l)
				}
				if strings.Contains(l, "\x1b") {
					t.Errorf("the terminal is steered by %q", l)
				}
			}
			golden.Compare(t, "testdata/"+name, c2.text())
		})
	}
}

func TestApplicationsArePickedByWhatTheyAre(t *testing.T) {
	for line, want := range map[string]string{
		"app list -o name -l team=web":                             "shop",
		"app list -o name --health degraded":                       "shop",
		"app list -o name --sync Synced":                           "docs",
		"app list -o name --repo https://GIT.example.com/org/repo": "shop",
		"app list -o name --repo git@git.example.com:org/repo.git": "docs",
		"app list -o name -A -p team":                              "lab",
		"app list -o name --path shop":                             "shop",
		"app list -o name -c in-cluster":                           "shop",
		"app list -o name -n team":                                 "lab",
	} {
		c := open(serve(t, apps), 0, 0)
		if code := c.do(t, line); code != 0 || c.text() != "application.argoproj.io/"+want+"\n" {
			t.Errorf("%s: exit code %d: %s%s", line, code, c.text(), c.err.String())
		}
	}
	c := open(serve(t, apps), 0, 0)
	if code := c.do(t, "app list -l team=none"); code != 0 || c.text() != "there are no such Applications in namespace argocd\n" {
		t.Errorf("exit code %d: %s", code, c.text())
	}
}

func TestActionsOnApplicationsPrintWhatTheyAskedFor(t *testing.T) {
	for line, want := range map[string]string{
		"app sync docs --async":                           "application argocd/docs: sync asked for\n",
		"app sync -p web --async":                         "application argocd/shop: sync asked for\n",
		"app sync docs --dry-run --async --retry-limit 2": "application argocd/docs: sync asked for\n",
		"app delete docs":                                 "application argocd/docs: deletion asked for, its resources go first\n",
		"app delete docs --cascade=false":                 "application argocd/docs: deletion asked for, its resources stay\n",
		"app confirm-deletion shop":                       "application argocd/shop: deletions approved\n",
		"app set shop --revision v2 --sync-policy none":   "application argocd/shop: changed\n",
		"app set shop --revision main":                    "application argocd/shop: is so already\n",
		"app create new --repo https://h/r --path p --dest-name in-cluster --self-heal --sync-policy auto": "application argocd/new: created\n",
		"app create new --repo https://h/r":                                  "error: application new has no destination: give --dest-name or --dest-server\n",
		"app create new --dest-name in-cluster":                              "error: application new has no repository: give --repo, and --path or --helm-chart\n",
		"app create docs --repo https://h/r --path p --dest-name in-cluster": "error: application argocd/docs: exists already: --upsert changes it\n",
		"app create":            "error: give a NAME, or a manifest with -f\n",
		"app set docs --path x": "error: changing application argocd/docs: the Application has 2 sources: say which one with --source-position\n",
		"app set shop --self-heal --sync-policy none": "error: changing application argocd/shop: --self-heal says how automated sync works, which is off: add --sync-policy automated\n",
		"app set shop --dest-name a --dest-server b":  "error: changing application argocd/shop: --dest-server and --dest-name both name the cluster: give one of them\n",
		"app sync":                                       "error: no Application is given: give a NAME, or pick some with -l or -p\n",
		"app sync shop -l a=b":                           "error: give names or a selector, not both\n",
		"app sync shop --revision v1":                    "error: application argocd/shop: automated sync is on and would return to main: change it with app set --revision, or switch it off first\n",
		"app sync shop --resource web":                   "error: --resource \"web\" is not GROUP:KIND:NAME, such as argoproj.io:Rollout:web or :Service:web\n",
		"app sync shop --resource :a:b --resource !:c:d": "error: --resource names what to take and what to leave out: give one of them\n",
		"app sync shop --strategy x":                     "error: --strategy \"x\": choose hook or apply\n",
		"app rollback shop 3":                            "error: application argocd/shop: automated sync is on and would undo it at once: revert the commit in Git, or switch it off first (set --sync-policy none)\n",
		"app rollback docs three":                        "error: \"three\" is no number of the history: app history lists them\n",
		"app terminate-op docs":                          "error: application argocd/docs: no operation is under way\n",
		"app delete -l team=web":                         "error: a selector may pick more than you think of: look with app list, then add --yes\n",
		"app get nobody":                                 "error: reading application argocd/nobody: applications.argoproj.io \"nobody\" not found\n",
		"app get a/b/c":                                  "error: \"a/b/c\" is no Application: give NAME or NAMESPACE/NAME\n",
		"app actions run shop dance":                     "error: no such resource of application shop has an action \"dance\": app actions list tells what there is\n",
		"app actions run docs resume":                    "error: no such resource of application docs has an action \"resume\": app actions list tells what there is\n",
		"app actions run team/lab resume":                "error: application team/lab is in cluster edge: turn to that cluster and act on its objects there\n",
		"app wait docs":                                  "application argocd/docs: Synced at 1.2.3 fffffff, Healthy\n",
		"app wait docs --resource !:a:b":                 "error: --resource cannot leave anything out here: name what to wait for\n",
		"app history shop -o xml":                        "error: -o \"xml\": choose wide, id, json or yaml\n",
		"app manifests shop --source etcd":               "error: --source \"etcd\": choose git or live\n",
	} {
		t.Run(line, func(t *testing.T) {
			c := open(serve(t, apps), 0, 0)
			code := c.do(t, line)
			if got := c.text() + c.err.String(); got != want {
				t.Errorf("printed %q, want %q", got, want)
			}
			if failed := strings.HasPrefix(want, "error"); failed != (code == exitError) {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestActionsAreDoneToTheResourcesOfAnApplication(t *testing.T) {
	c := open(serve(t, apps, scenes+"paused-canary.yaml"), 0, 0)
	if code := c.do(t, "app actions list shop"); code != 0 {
		t.Fatal(c.err.String())
	}
	golden.Compare(t, "testdata/app-actions.txt", c.text())
	c.out.Reset()
	if code := c.do(t, "app actions run shop promote-full --kind Rollout"); code != 0 || c.text() != "rollout shop/web: promote-full asked for\n" {
		t.Fatalf("exit code %d: %s%s", code, c.text(), c.err.String())
	}
	if code := c.do(t, "app actions run shop restart --resource-name web"); code != 0 {
		t.Fatalf("exit code %d: %s", code, c.err.String())
	}
	cluster, err := c.connect()
	if err != nil {
		t.Fatal(err)
	}
	r := &v1alpha1.Rollout{}
	if err := cluster.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "web"}, r); err != nil {
		t.Fatal(err)
	}
	if !r.Status.PromoteFull || r.Spec.RestartAt == nil {
		t.Errorf("promoteFull %t, restartAt %v", r.Status.PromoteFull, r.Spec.RestartAt)
	}
}

func TestFlagsBecomeFieldsOfTheSpec(t *testing.T) {
	c := open(serve(t, apps), 0, 0)
	line := "app create new --repo https://h/r --path p --dest-server https://k --dest-namespace n --revision v1 --project web --sync-policy automated --auto-prune " +
		"--sync-option CreateNamespace=true --helm-set a=1 --helm-set-string b=2 --values v.yaml --release-name rel --label team=web --set-finalizer " +
		"--kustomize-image app=registry/app:v1 --kustomize-replica web=3 --nameprefix x- --directory-recurse --revision-history-limit 3"
	if code := c.do(t, line); code != 0 {
		t.Fatal(c.err.String())
	}
	line = "app set new --helm-set a=2 -p c=3 --parameter d=4 --sync-retry-limit 7 --kustomize-image app:v2 --kustomize-image app=registry/app:v3 --sync-option !CreateNamespace=true --sync-option Replace=true --sync-policy none"
	if code := c.do(t, line); code != 0 {
		t.Fatal(c.err.String())
	}
	app := c.app(t, client.ObjectKey{Namespace: "argocd", Name: "new"})
	golden.Compare(t, "testdata/app-spec.txt", func() string {
		lines, err := c.encoded(app, outputYAML)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, l := range lines {
			all = append(all, l.paint(false))
		}
		return strings.Join(all, "\n") + "\n"
	}())
}

// meanwhile changes an Application once a command watches it.
func meanwhile(t *testing.T, s server, key client.ObjectKey, change func(*gitopsv1.Application)) {
	t.Helper()
	go func() {
		<-s.begun
		app := &gitopsv1.Application{}
		if err := s.Get(context.Background(), key, app); err != nil {
			t.Error(err)
			return
		}
		change(app)
		if err := s.Update(context.Background(), app); err != nil {
			t.Error(err)
		}
	}()
}

func TestASyncWaitsForItsEndAndTellsIt(t *testing.T) {
	for phase, code := range map[gitopsv1.OperationPhase]int{gitopsv1.OperationSucceeded: 0, gitopsv1.OperationFailed: exitFailed} {
		cluster := serve(t, apps)
		c := open(cluster, 0, 0)
		meanwhile(t, cluster, client.ObjectKey{Namespace: "argocd", Name: "docs"}, func(app *gitopsv1.Application) {
			app.Status.OperationState = &gitopsv1.OperationState{
				Operation: *app.Operation, Phase: phase, Message: "so it went",
				SyncResult: &gitopsv1.SyncResult{Resources: []gitopsv1.ResourceResult{{Kind: "Service", Namespace: "docs", Name: "site", Status: "Synced", Message: "service/site created", SyncPhase: "Sync"}}},
			}
			app.Operation = nil
		})
		if got := c.do(t, "app sync docs --timeout 30s"); got != code {
			t.Errorf("exit code %d: %s%s", got, c.text(), c.err.String())
		}
		for _, want := range []string{"sync asked for", "Service  docs  site", "argocd/docs: " + string(phase) + ": so it went"} {
			if !strings.Contains(c.text(), want) {
				t.Errorf("%s: it does not say %q:\n%s", phase, want, c.text())
			}
		}
	}
}

func TestAWaitEndsWithItsTime(t *testing.T) {
	c := open(serve(t, apps), 0, 0)
	if code := c.do(t, "app wait shop --timeout 20ms"); code != exitTimeout || !strings.Contains(c.text(), "not settled after 20ms") {
		t.Errorf("exit code %d: %s%s", code, c.text(), c.err.String())
	}
	c = open(serve(t, apps), 0, 0)
	if code := c.do(t, "app wait shop --degraded --resource argoproj.io:Rollout:web -t 30"); code != 0 {
		t.Errorf("exit code %d: %s%s", code, c.text(), c.err.String())
	}
	cluster := serve(t, apps)
	c = open(cluster, 0, 0)
	go func() {
		<-cluster.begun
		if err := cluster.Delete(context.Background(), &gitopsv1.Application{ObjectMeta: c.app(t, shop).ObjectMeta}); err != nil {
			t.Error(err)
		}
	}()
	if code := c.do(t, "app wait shop --delete -t 30s"); code != 0 || !strings.Contains(c.text(), "application argocd/shop: gone") {
		t.Errorf("exit code %d: %s%s", code, c.text(), c.err.String())
	}
}

func TestARefreshIsAwaited(t *testing.T) {
	cluster := serve(t, apps)
	c := open(cluster, 0, 0)
	meanwhile(t, cluster, shop, func(app *gitopsv1.Application) {
		if app.Annotations[gitopsv1.AnnotationRefresh] != gitopsv1.RefreshHard {
			t.Errorf("annotations %v", app.Annotations)
		}
		app.Annotations, app.Status.Health.Message = nil, "fresh"
	})
	if code := c.do(t, "app get shop --hard-refresh"); code != 0 || !strings.Contains(c.text(), "fresh") {
		t.Errorf("exit code %d: %s%s", code, c.text(), c.err.String())
	}
}

// glance answers as it is told.
type glance struct {
	found   gitsync.Comparison
	objects []*unstructured.Unstructured
	err     error
	app     *gitopsv1.Application
	files   application.Source
}

func (g *glance) Compare(_ context.Context, app *gitopsv1.Application) (gitsync.Comparison, error) {
	g.app = app
	return g.found, g.err
}

func (g *glance) Render(_ context.Context, app *gitopsv1.Application) ([]*unstructured.Unstructured, error) {
	g.app = app
	return g.objects, g.err
}

func (c *console) sees(g *glance) {
	c.looker = func(_ context.Context, _ client.WithWatch, _ *gitopsv1.Application, files application.Source) (looker, func(), error) {
		g.files = files
		return g, func() {}, nil
	}
}

func TestDifferencesAreShownAndToldByTheExitCode(t *testing.T) {
	differs := gitsync.Comparison{Revisions: []string{"0123456789abcdef0123456789abcdef01234567"}, Differences: []gitsync.Difference{
		{Key: gitsync.Key{Kind: "ConfigMap", Namespace: "shop", Name: "a"}, Want: "data:\n  x: \"2\"\nkind: ConfigMap\n", Have: "data:\n  x: \"1\"\nkind: ConfigMap\n"},
		{Key: gitsync.Key{Kind: "Namespace", Name: "new"}, Want: "kind: Namespace\n"},
		{Key: gitsync.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "bad"}, Problem: "spec.\x1breplicas is wrong"},
	}}
	for name, c := range map[string]struct {
		line string
		see  glance
		code int
	}{
		"app-diff.txt":       {"app diff shop", glance{found: differs}, exitDiffers},
		"app-diff-names.txt": {"app diff shop --name-only --diff-exit-code 7", glance{found: differs}, 7},
		"app-diff-none.txt":  {"app diff shop", glance{found: gitsync.Comparison{Revisions: differs.Revisions}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			on := open(serve(t, apps), 0, 0)
			on.sees(&c.see)
			if code := on.do(t, c.line); code != c.code {
				t.Errorf("exit code %d: %s", code, on.err.String())
			}
			golden.Compare(t, "testdata/"+name, on.text())
		})
	}
	on := open(serve(t, apps), 0, 0)
	on.sees(&glance{err: errors.New("no way")})
	if code := on.do(t, "app diff shop"); code != exitNoDiff || on.err.String() != "error: no way\n" {
		t.Errorf("exit code %d: %s", code, on.err.String())
	}
	on = open(serve(t, apps), 0, 0)
	see := &glance{found: differs}
	on.sees(see)
	if code := on.do(t, "app diff shop --exit-code=false --revision v9"); code != 0 || see.app.Spec.Source.TargetRevision != "v9" || see.files != nil {
		t.Errorf("exit code %d, at %s, files %v", code, see.app.Spec.Source.TargetRevision, see.files)
	}
}

func TestLocalFilesStandInForTheRepository(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "deploy", "shop"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("git", "init", "-q", root).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir := filepath.Join(root, "deploy", "shop")
	secret := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s"}}}
	service := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "web"}}}

	c, see := open(serve(t, apps), 0, 0), &glance{}
	c.sees(see)
	if code := c.do(t, "app diff shop --local "+dir); code != 0 || see.app.Spec.Source.Path != "deploy/shop" {
		t.Errorf("exit code %d, path %s: %s", code, see.app.Spec.Source.Path, c.err.String())
	}
	checkout, err := see.files.Fetch(t.Context(), gitsync.Want{}, "local")
	if err != nil || checkout.Dir != root {
		t.Errorf("files of %s, %v", checkout.Dir, err)
	}
	for line, says := range map[string]string{
		"app diff shop --local " + filepath.Join(root, "none"):        "is no folder",
		"app diff shop --local " + root + " --local-repo-root " + dir: "does not lie in",
		"app diff docs --local " + dir:                                "has several",
		"app sync shop --async --local " + dir:                        "would be readable",
	} {
		c := open(serve(t, apps), 0, 0)
		c.sees(&glance{objects: []*unstructured.Unstructured{secret}})
		if code := c.do(t, line); code == 0 || !strings.Contains(c.err.String(), says) {
			t.Errorf("%s: exit code %d: %s", line, code, c.err.String())
		}
	}
	c = open(serve(t, apps), 0, 0)
	c.sees(&glance{objects: []*unstructured.Unstructured{service}})
	if code := c.do(t, "app set shop --sync-policy none") + c.do(t, "app sync shop --async --local "+dir); code != 0 {
		t.Fatal(c.err.String())
	}
	want := []string{`{"apiVersion":"v1","kind":"Service","metadata":{"name":"web"}}`}
	if diff := cmp.Diff(want, c.app(t, shop).Operation.Sync.Manifests); diff != "" {
		t.Error(diff)
	}
}

func TestManifestsArePrintedFromGitOrTheCluster(t *testing.T) {
	for line, want := range map[string]string{
		"app manifests shop":               "---\nkind: A\n---\nkind: B\n",
		"app manifests shop --source live": "---\nkind: A\nlive: true\n",
	} {
		c := open(serve(t, apps), 0, 0)
		c.sees(&glance{found: gitsync.Comparison{Wanted: []string{"kind: A\n", "kind: B\n"}, Living: []string{"kind: A\nlive: true\n"}}})
		if code := c.do(t, line); code != 0 || c.text() != want {
			t.Errorf("%s: exit code %d: %s", line, code, c.text())
		}
	}
}

func TestPreviewAsksBeforeItSyncs(t *testing.T) {
	for answer, synced := range map[string]bool{"y\n": true, "n\n": false, "": false} {
		c := open(serve(t, apps), 0, 0)
		c.in = strings.NewReader(answer)
		c.sees(&glance{})
		code := c.do(t, "app sync docs --async --preview-changes")
		if (code == 0) != synced || (c.app(t, client.ObjectKey{Namespace: "argocd", Name: "docs"}).Operation != nil) != synced {
			t.Errorf("%q: exit code %d: %s", answer, code, c.err.String())
		}
	}
}

func TestNamesOfApplicationsAreCompleted(t *testing.T) {
	c := open(serve(t, apps), 0, 0)
	if code := run(t.Context(), c.session, []string{"__complete", "app", "get", ""}); code != 0 || !strings.HasPrefix(c.text(), "docs\nshop\n") {
		t.Errorf("exit code %d: %q", code, c.text())
	}
}

func TestResourcesAreSelectedByTheirNames(t *testing.T) {
	only, except, err := parseResources([]string{"argoproj.io:Rollout:shop/web", ":Service:web"})
	want := []gitopsv1.SyncResource{{Group: "argoproj.io", Kind: "Rollout", Namespace: "shop", Name: "web"}, {Kind: "Service", Name: "web"}}
	if diff := cmp.Diff(want, only); diff != "" || except != nil || err != nil {
		t.Error(diff, except, err)
	}
	if !verb.SelectsResource(want[0], gitopsv1.ResourceStatus{Group: "argoproj.io", Kind: "Rollout", Namespace: "shop", Name: "web"}) {
		t.Error("it is not selected")
	}
}

func TestASyncMayBeOfWhatHasALabel(t *testing.T) {
	labelled := func(apiVersion, kind, name string, labels map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": name, "labels": labels}}}
	}
	see := &glance{objects: []*unstructured.Unstructured{
		labelled("v1", "Service", "web", map[string]any{"tier": "front", "team": "a"}), labelled("argoproj.io/v1alpha1", "Rollout", "web", map[string]any{"team": "b"}),
		labelled("v1", "Service", "other", map[string]any{"tier": "back", "team": "c"}), labelled("v1", "Service", "plain", nil),
	}}
	c := open(serve(t, apps), 0, 0)
	c.sees(see)
	if code := c.do(t, "app sync shop --async --label tier=front --label team=b --label team=a"); code != 0 {
		t.Fatal(c.err.String())
	}
	want := []gitopsv1.SyncResource{{Kind: "Service", Name: "web"}, {Group: "argoproj.io", Kind: "Rollout", Name: "web"}}
	if diff := cmp.Diff(want, c.app(t, shop).Operation.Sync.Resources); diff != "" {
		t.Error(diff)
	}
	for line, says := range map[string]string{
		"app sync shop --async --label tier=side":                          "no manifest has the label tier=side",
		"app sync shop --async --label tier":                               "is not KEY=VALUE",
		"app sync shop docs --async --label tier=front":                    "goes with a single Application",
		"app sync shop --async --label tier=front --resource :Service:web": "without --resource",
	} {
		c := open(serve(t, apps), 0, 0)
		c.sees(see)
		if code := c.do(t, line); code == 0 || !strings.Contains(c.err.String(), says) {
			t.Errorf("%s: exit code %d: %s", line, code, c.err.String())
		}
	}
}

func TestWhoeverWaitsIsToldWhatIsInTheWay(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*gitopsv1.Application)
		want   string
	}{
		"nothing": {func(*gitopsv1.Application) {}, "application argocd/shop: Unknown"},
		"the repository": {func(app *gitopsv1.Application) {
			app.Operation = &gitopsv1.Operation{}
			app.Status.Conditions = []gitopsv1.ApplicationCondition{{Type: gitopsv1.ConditionOrphanedResourceWarning, Message: "orphans"}, {Type: gitopsv1.ConditionComparisonError, Message: "no such host"}}
		}, "application argocd/shop: Unknown, operation asked for, no such host"},
		"a deletion that is not confirmed": {func(app *gitopsv1.Application) {
			app.DeletionTimestamp = &metav1.Time{}
			app.Status.Conditions = []gitopsv1.ApplicationCondition{{Type: gitopsv1.ConditionDeletionError, Message: "waiting for deletion confirmation"}}
		}, "application argocd/shop: being deleted, waiting for deletion confirmation"},
	} {
		t.Run(name, func(t *testing.T) {
			app := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "shop"}}
			app.Status.Sync.Status = gitopsv1.SyncUnknown
			c.change(app)
			if got := standingOf(app); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
