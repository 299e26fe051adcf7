package gitsync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/forge"
	"github.com/sluice-delivery/sluice/test/stage"
	"github.com/sluice-delivery/sluice/test/suite"
	"github.com/sluice-delivery/sluice/test/world"
	"github.com/sluice-delivery/sluice/test/world/gateway"
)

var (
	up *stage.Stage
	// far is a second cluster, which knows nothing of us.
	far *abroad
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	up, err = stage.Up(context.Background(), stage.Options{
		Namespace: "shop", Audit: true, Progress: os.Stderr,
		World: world.Options{Gateway: gateway.Options{Name: types.NamespacedName{Namespace: "shop", Name: "public"}}},
	})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, up.Down()) }()
	if far, err = goAbroad(context.Background()); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, far.Stop()) }()
	return m.Run(), nil
}

// site is a namespace, the repository that describes it, and the Application between them, all of one name.
type site struct {
	t    *testing.T
	name string
	*forge.Copy
}

// newSite makes the namespace and the repository, and the Application with its first commit.
func newSite(t *testing.T, name, policy string, files map[string]string) (*site, string) {
	t.Helper()
	if err := up.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		t.Fatal(err)
	}
	work, err := up.Forge.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t, name, work}
	sha := s.push(files)
	app := s.app()
	app.Spec = gitopsv1.ApplicationSpec{
		Source:      &gitopsv1.Source{RepoURL: work.URL, TargetRevision: "main", Path: "all"},
		Destination: gitopsv1.Destination{Server: gitopsv1.InClusterServer, Namespace: name},
	}
	if err := yaml.UnmarshalStrict([]byte(policy), &app.Spec); err != nil {
		t.Fatal(err)
	}
	if err := up.Client.Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		text, err := yaml.Marshal(s.read(app).(*gitopsv1.Application).Status)
		t.Logf("%s%v\n%s", text, err, up.Story())
	})
	return s, sha
}

func (s *site) app() *gitopsv1.Application {
	return &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: gitopsv1.DefaultControlNamespace, Name: s.name}}
}

// push commits files, of which NAME stands for the name of the site, and pushes them.
func (s *site) push(files map[string]string) (sha string) {
	s.t.Helper()
	content := map[string][]byte{}
	for name, text := range files {
		content["all/"+name] = []byte(strings.ReplaceAll(text, "NAME", s.name))
	}
	if err := s.Write(content); err != nil {
		s.t.Fatal(err)
	}
	sha, err := s.Commit(s.t.Context(), "a change")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.Push(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return sha
}

func (s *site) read(o client.Object) client.Object {
	s.t.Helper()
	// The clean-up reads as well, when the context of the test is over.
	if err := up.Client.Get(context.WithoutCancel(s.t.Context()), client.ObjectKeyFromObject(o), o); client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	}
	return o
}

func (s *site) await(what string, holds func() bool) {
	s.t.Helper()
	suite.Eventually(s.t, what, holds)
}

// synced waits until a commit is synced and the Application has a health.
func (s *site) synced(commit string, health gitopsv1.HealthCode) gitopsv1.ApplicationStatus {
	s.t.Helper()
	app := s.app()
	s.await(fmt.Sprintf("commit %.7s is synced, and the Application %s", commit, health), func() bool {
		status := s.read(app).(*gitopsv1.Application).Status
		return status.Sync.Revision == commit && status.Sync.Status == gitopsv1.SyncSynced && status.Health.Status == health && app.Operation == nil
	})
	return app.Status
}

// look has the Application looked at once, and returns when that is over.
func (s *site) look() {
	s.t.Helper()
	app := s.app()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:"normal"}}}`, gitopsv1.AnnotationRefresh)
	if err := up.Client.Patch(s.t.Context(), app, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		s.t.Fatal(err)
	}
	s.await("the Application has been looked at", func() bool { return s.read(app).GetAnnotations()[gitopsv1.AnnotationRefresh] == "" })
}

// applied lists what Git-sync has applied in the namespace, in that order, as the audit log has it.
func (s *site) applied() (all []string) {
	s.t.Helper()
	data, err := os.ReadFile(up.Cluster.AuditLog)
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is still being written
		}
		var r struct {
			RequestURI     string
			ObjectRef      struct{ Namespace, Resource, Name string }
			ResponseStatus struct{ Code int }
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			s.t.Fatal(err)
		}
		asked, err := url.Parse(r.RequestURI)
		if err != nil {
			s.t.Fatal(err)
		}
		q := asked.Query()
		if r.ObjectRef.Namespace == s.name && q.Get("fieldManager") == gitopsv1.FieldManager && q.Get("dryRun") == "" && r.ResponseStatus.Code < 300 {
			all = append(all, r.ObjectRef.Resource+"/"+r.ObjectRef.Name)
		}
	}
	return all
}

// settle changes keys of argocd-cm until the test is over.
func settle(t *testing.T, data map[string]string) {
	t.Helper()
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: gitopsv1.DefaultControlNamespace, Name: gitopsv1.ConfigMapSettings}}
	if err := up.Client.Create(t.Context(), m.DeepCopy()); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	set := func(data any) {
		text, err := json.Marshal(map[string]any{"data": data})
		if err != nil {
			t.Fatal(err)
		}
		if err := up.Client.Patch(context.WithoutCancel(t.Context()), m, client.RawPatch(types.MergePatchType, text)); err != nil {
			t.Fatal(err)
		}
	}
	set(data)
	t.Cleanup(func() {
		none := map[string]any{}
		for key := range data {
			none[key] = nil
		}
		set(none)
	})
}
