package sources

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/controllers/application"
	"github.com/sluice-delivery/sluice/gitsync"
	destinations "github.com/sluice-delivery/sluice/gitsync/cluster"
	"github.com/sluice-delivery/sluice/gitsync/render"
	"github.com/sluice-delivery/sluice/gitsync/source"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/test/cluster"
	"github.com/sluice-delivery/sluice/test/forge"
)

const (
	control  = "argocd"
	patience = 60 * time.Second
	canary   = "canary-of-the-chart-repository"
)

var suite struct {
	admin client.Client
	forge *forge.Forge
}

func TestMain(m *testing.M) {
	switch {
	case render.IsChild():
		os.Exit(render.Serve(os.Stdin, os.Stdout))
	case source.IsChild():
		os.Exit(source.Serve(os.Stdin, os.Stdout))
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctx, cancel := context.WithCancel(context.Background())
	dir, err := os.MkdirTemp("", "sluice-sources-")
	if err != nil {
		cancel()
		return 1, err
	}
	defer os.RemoveAll(dir)
	up, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		cancel()
		return 1, err
	}
	defer up.Stop() //nolint:errcheck // the process ends anyway
	defer cancel()
	gateway, err := cluster.GatewayCRDs(ctx)
	if err != nil {
		return 1, err
	}
	if err := up.InstallCRDs(filepath.Join("..", "..", "config", "crd"), gateway); err != nil {
		return 1, err
	}
	if err := os.Mkdir(filepath.Join(dir, "forge"), 0o700); err != nil {
		return 1, err
	}
	if suite.forge, err = forge.Start(filepath.Join(dir, "forge")); err != nil {
		return 1, err
	}
	defer suite.forge.Stop() //nolint:errcheck // the process ends anyway
	if err := start(ctx, up, filepath.Join(dir, "clones")); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func start(ctx context.Context, up *cluster.Cluster, dir string) error {
	ctrl.SetLogger(zap.New(zap.WriteTo(io.Discard)))
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), gitopsv1.AddToScheme(scheme)); err != nil {
		return err
	}
	config := up.Config()
	config.QPS = -1
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		return err
	}
	if suite.admin, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if err := suite.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: control}}); err != nil {
		return err
	}
	c := &application.Controller{
		Client: kube.NewRecent(mgr.GetClient()), Health: func(*unstructured.Unstructured) gitsync.Health { return gitsync.Health{Status: gitsync.Healthy} },
		Source:    &source.Repositories{Dir: dir, Keys: source.KeysIn(suite.admin, control), Poll: time.Second, Timeout: 20 * time.Second, Schemes: []string{"http"}},
		Renderer:  &render.Renderer{Timeout: 30 * time.Second, Memory: 256 << 20},
		Events:    mgr.GetEventRecorderFor("sluice"), //nolint:staticcheck // core/v1 events are what people and dashboards read
		Namespace: control, Concurrency: 4, Poll: time.Second,
	}
	c.Clusters = &destinations.Set{Local: config, Secrets: mgr.GetClient(), Namespace: control, Changed: c.Changed, Context: ctx}
	if err := c.Register(mgr); err != nil {
		return err
	}
	go func() {
		if err := mgr.Start(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	return nil
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}

func app(t *testing.T, name, spec string) *gitopsv1.Application {
	t.Helper()
	a := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: control, Name: name}}
	a.Spec.Destination = gitopsv1.Destination{Server: gitopsv1.InClusterServer, Namespace: name}
	if err := yaml.UnmarshalStrict([]byte("syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}\n"+spec), &a.Spec); err != nil {
		t.Fatal(err)
	}
	if err := suite.admin.Create(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := yaml.Marshal(read(t, a).Status)
			t.Logf("%s", text)
		}
	})
	return a
}

func read(t *testing.T, a *gitopsv1.Application) *gitopsv1.Application {
	t.Helper()
	if err := suite.admin.Get(context.WithoutCancel(t.Context()), client.ObjectKeyFromObject(a), a); err != nil {
		t.Fatal(err)
	}
	return a
}

// settings reads the ConfigMap that the charts make.
func settings(t *testing.T, namespace string) *corev1.ConfigMap {
	t.Helper()
	var m corev1.ConfigMap
	if err := suite.admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "settings"}, &m); err != nil {
		t.Fatal(err)
	}
	return &m
}

func push(t *testing.T, c *forge.Copy, files map[string]string) string {
	t.Helper()
	contents := map[string][]byte{}
	for name, text := range files {
		contents[name] = []byte(text)
	}
	if err := c.Write(contents); err != nil {
		t.Fatal(err)
	}
	sha, err := c.Commit(t.Context(), "change")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sha
}

const template = `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: {{ .Values.color }}, release: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}, lookup: '{{ lookup "v1" "Namespace" "" "argocd" | len }}'}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: before, annotations: {helm.sh/hook: pre-install}}
`

func TestAChartWithValuesFromAnotherRepositoryFollowsBoth(t *testing.T) {
	charts, err := suite.forge.Create(t.Context(), "charts")
	if err != nil {
		t.Fatal(err)
	}
	values, err := suite.forge.Create(t.Context(), "values")
	if err != nil {
		t.Fatal(err)
	}
	chart := push(t, charts, map[string]string{"web/Chart.yaml": "name: web\nversion: 1.0.0\n", "web/templates/a.yaml": template, "web/crds/thing.yaml": thing})
	blue := push(t, values, map[string]string{"prod/web.yaml": "color: blue\n"})
	a := app(t, "charted", fmt.Sprintf("sources:\n- {repoURL: %q, path: web, helm: {valueFiles: [$values/prod/*.yaml]}}\n- {repoURL: %q, ref: values, targetRevision: main}\n", charts.URL, values.URL))
	synced := func(revisions ...string) func() bool {
		return func() bool {
			s := read(t, a).Status
			return s.Sync.Status == gitopsv1.SyncSynced && cmp.Equal(s.Sync.Revisions, revisions) && s.OperationState != nil && s.OperationState.Phase.Completed()
		}
	}
	eventually(t, "the chart is synced", synced(chart, blue))
	if diff := cmp.Diff(map[string]string{"color": "blue", "release": "charted", "namespace": "charted", "lookup": "0"}, settings(t, "charted").Data); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]gitopsv1.SourceType{gitopsv1.SourceTypeHelm, ""}, a.Status.SourceTypes); diff != "" {
		t.Error(diff)
	}
	before := settings(t, "charted").ResourceVersion
	elsewhere := push(t, values, map[string]string{"other/web.yaml": "color: none\n"})
	eventually(t, "a commit elsewhere is known", synced(chart, elsewhere))
	if after := settings(t, "charted").ResourceVersion; after != before {
		t.Error("a commit elsewhere was applied")
	}
	green := push(t, values, map[string]string{"prod/web.yaml": "color: green\n"})
	eventually(t, "the new values are synced", synced(chart, green))
	if color := settings(t, "charted").Data["color"]; color != "green" {
		t.Errorf("the color is %s", color)
	}
}

const thing = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`

// archive packs a chart.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var text bytes.Buffer
	z := gzip.NewWriter(&text)
	w := tar.NewWriter(z)
	for name, content := range files {
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(content))})
		if _, writing := io.WriteString(w, content); errors.Join(err, writing) != nil {
			t.Fatal(err, writing)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func TestAChartOfAHelmRepositoryFollowsItsVersions(t *testing.T) {
	versions := make(chan string, 1)
	versions <- "1.0.0"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != canary {
			http.Error(w, "not with "+password, http.StatusUnauthorized)
			return
		}
		version := <-versions
		versions <- version
		if strings.HasSuffix(r.URL.Path, ".tgz") {
			_, _ = w.Write(archive(t, map[string]string{"web/Chart.yaml": "name: web\nversion: " + version + "\n", "web/values.yaml": "color: from " + version + "\n", "web/templates/a.yaml": template}))
			return
		}
		fmt.Fprintf(w, "apiVersion: v1\nentries:\n  web:\n  - {version: %s, urls: [web-%s.tgz]}\n", version, version)
	}))
	defer server.Close()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: control, Name: "charts", Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepository}},
		StringData: map[string]string{"url": server.URL, "type": "helm", "username": "u", "password": canary},
	}
	if err := suite.admin.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	a := app(t, "versioned", fmt.Sprintf("source: {repoURL: %q, chart: web, targetRevision: 1.x, helm: {releaseName: web}}\n", server.URL))
	synced := func(version string) func() bool {
		return func() bool {
			s := read(t, a).Status
			return s.Sync.Status == gitopsv1.SyncSynced && s.Sync.Revision == version && s.OperationState != nil && s.OperationState.Phase.Completed()
		}
	}
	eventually(t, "the first version is synced", synced("1.0.0"))
	<-versions
	versions <- "1.1.0"
	eventually(t, "the second version is synced", synced("1.1.0"))
	if color := settings(t, "versioned").Data["color"]; color != "from 1.1.0" {
		t.Errorf("the color is %s", color)
	}
	text, err := yaml.Marshal(a.Status)
	if err != nil || bytes.Contains(text, []byte(canary)) {
		t.Errorf("the status tells the password: %s, %v", text, err)
	}
}
