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
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/controllers/application"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/render"
	"github.com/sluice-delivery/sluice/gitsync/source"
	"github.com/sluice-delivery/sluice/test/cluster"
	"github.com/sluice-delivery/sluice/test/forge"
	"github.com/sluice-delivery/sluice/test/suite"
)

const (
	control = "argocd"
	canary  = "canary-of-the-chart-repository"
)

var shared struct {
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
	suite.Main(m, start)
}

func start(ctx context.Context, up *cluster.Cluster, dir string) error {
	served := filepath.Join(dir, "forge")
	err := os.Mkdir(served, 0o700)
	if err != nil {
		return err
	}
	if shared.forge, err = forge.Start(served); err != nil {
		return err
	}
	keys, err := client.New(up.Config(), client.Options{})
	if err != nil {
		return err
	}
	repositories := &source.Repositories{
		Dir: filepath.Join(dir, "clones"), Keys: source.KeysIn(keys, control), Poll: time.Second, Timeout: 20 * time.Second, Schemes: []string{"http"},
	}
	shared.admin, err = suite.Applications(ctx, up, &application.Controller{
		Health: assess, Source: repositories, Reverter: repositories,
		Renderer:    &render.Renderer{Timeout: 30 * time.Second, Memory: 256 << 20},
		Concurrency: 4, Poll: gitsync.Interval{Every: time.Second},
	})
	return err
}

// assess takes everything for well but a Rollout that is aborted.
func assess(o *unstructured.Unstructured) gitsync.Health {
	if aborted, _, _ := unstructured.NestedBool(o.Object, "status", "abort"); aborted {
		return gitsync.Health{Status: gitsync.Degraded}
	}
	return gitsync.Health{Status: gitsync.Healthy}
}

func app(t *testing.T, name, spec string) *gitopsv1.Application {
	t.Helper()
	a := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: control, Name: name}}
	a.Spec.Destination = gitopsv1.Destination{Server: gitopsv1.InClusterServer, Namespace: name}
	if err := yaml.UnmarshalStrict([]byte("syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}\n"+spec), &a.Spec); err != nil {
		t.Fatal(err)
	}
	if err := shared.admin.Create(t.Context(), a); err != nil {
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
	if err := shared.admin.Get(context.WithoutCancel(t.Context()), client.ObjectKeyFromObject(a), a); err != nil {
		t.Fatal(err)
	}
	return a
}

// settings reads the ConfigMap that the charts make.
func settings(t *testing.T, namespace string) *corev1.ConfigMap {
	t.Helper()
	var m corev1.ConfigMap
	if err := shared.admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "settings"}, &m); err != nil {
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
	charts, err := shared.forge.Create(t.Context(), "charts")
	if err != nil {
		t.Fatal(err)
	}
	values, err := shared.forge.Create(t.Context(), "values")
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
	suite.Eventually(t, "the chart is synced", synced(chart, blue))
	if diff := cmp.Diff(map[string]string{"color": "blue", "release": "charted", "namespace": "charted", "lookup": "0"}, settings(t, "charted").Data); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]gitopsv1.SourceType{gitopsv1.SourceTypeHelm, ""}, a.Status.SourceTypes); diff != "" {
		t.Error(diff)
	}
	before := settings(t, "charted").ResourceVersion
	elsewhere := push(t, values, map[string]string{"other/web.yaml": "color: none\n"})
	suite.Eventually(t, "a commit elsewhere is known", synced(chart, elsewhere))
	if after := settings(t, "charted").ResourceVersion; after != before {
		t.Error("a commit elsewhere was applied")
	}
	green := push(t, values, map[string]string{"prod/web.yaml": "color: green\n"})
	suite.Eventually(t, "the new values are synced", synced(chart, green))
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
	if err := shared.admin.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	a := app(t, "versioned", fmt.Sprintf("source: {repoURL: %q, chart: web, targetRevision: 1.x, helm: {releaseName: web}}\n", server.URL))
	synced := func(version string) func() bool {
		return func() bool {
			s := read(t, a).Status
			return s.Sync.Status == gitopsv1.SyncSynced && s.Sync.Revision == version && s.OperationState != nil && s.OperationState.Phase.Completed()
		}
	}
	suite.Eventually(t, "the first version is synced", synced("1.0.0"))
	<-versions
	versions <- "1.1.0"
	suite.Eventually(t, "the second version is synced", synced("1.1.0"))
	if color := settings(t, "versioned").Data["color"]; color != "from 1.1.0" {
		t.Errorf("the color is %s", color)
	}
	text, err := yaml.Marshal(a.Status)
	if err != nil || bytes.Contains(text, []byte(canary)) {
		t.Errorf("the status tells the password: %s, %v", text, err)
	}
}
