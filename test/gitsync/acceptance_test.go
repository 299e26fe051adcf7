package gitsync

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/suite"
)

// playGitHub puts the forge where a proxy finds github.com, and has everything there read through that proxy.
func playGitHub(t *testing.T) {
	t.Helper()
	home, err := url.Parse(up.Forge.URL)
	if err != nil {
		t.Fatal(err)
	}
	hub := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		_, r.Out.URL.Path, _ = strings.Cut(strings.TrimPrefix(r.In.URL.Path, "/"), "/") // the forge knows no organisations
		r.SetURL(home)
	}})
	t.Cleanup(hub.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "github.com:443" {
			http.Error(w, "this way leads to github.com alone", http.StatusForbidden)
			return
		}
		w.WriteHeader(http.StatusOK)
		if near, _, err := http.NewResponseController(w).Hijack(); err == nil {
			join(near, hub.Listener.Addr())
		}
	}))
	t.Cleanup(proxy.Close)
	create(t, labelledSecret("github", gitopsv1.SecretTypeRepoCreds, map[string]string{
		"type": "git", "url": "https://github.com", "proxy": proxy.URL, "insecure": "true",
	}))
}

// join copies between a connection and an address until both are silent.
func join(near net.Conn, to net.Addr) {
	defer near.Close()
	far, err := net.Dial(to.Network(), to.String())
	if err != nil {
		return // git sees that the line is dead
	}
	defer far.Close()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
	both.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
	both.Wait()
}

// publish makes a repository with files by path.
func publish(t *testing.T, name string, files map[string][]byte) (commit string) {
	t.Helper()
	work, err := up.Forge.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := work.Write(files); err != nil {
		t.Fatal(err)
	}
	if commit, err = work.Commit(t.Context(), "what teams have"); err != nil {
		t.Fatal(err)
	}
	if err := work.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	return commit
}

// filesIn reads a folder.
func filesIn(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err == nil {
			files[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// apply is kubectl apply of a file of testdata/acceptance.
func apply(t *testing.T, file string) {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join("testdata", "acceptance", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := up.ApplyIn(t.Context(), gitopsv1.DefaultControlNamespace, manifest); err != nil {
		t.Fatal(err)
	}
}

// gone deletes an object and waits until it is.
func gone(t *testing.T, o client.Object) {
	t.Helper()
	if err := up.Client.Delete(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	suite.Eventually(t, o.GetName()+" is gone", func() bool { return !there(t, o) })
}

func there(t *testing.T, o client.Object) bool {
	t.Helper()
	err := up.Client.Get(t.Context(), client.ObjectKeyFromObject(o), o)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return err == nil
}

// TestManifestsThatTeamsAlreadyHaveWorkUnchanged reads the files of testdata/acceptance as they are, from where they say that they are.
func TestManifestsThatTeamsAlreadyHaveWorkUnchanged(t *testing.T) {
	playGitHub(t)
	commit := publish(t, "k8s-deployments", filesIn(t, "testdata/acceptance/k8s-deployments"))
	theirs := publish(t, "my-app-config", map[string][]byte{"k8s/overlays/production/web.yaml": []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: \"1\"}\n")})

	apply(t, "application.yaml")
	s := &site{t: t, name: "my-api-production"}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%+v\n%s", s.read(s.app()).(*gitopsv1.Application).Status, up.Story())
		}
	})
	s.synced(commit, gitopsv1.HealthHealthy)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "production", Name: "my-api"}}
	if s.read(deployment); deployment.Status.ReadyReplicas != 5 || deployment.Spec.Template.Spec.Containers[0].Image != "myregistry.com/my-api:v1.4.2" {
		t.Errorf("deployment %+v, %+v", deployment.Spec, deployment.Status)
	}
	other := &site{t: t, name: "my-app"}
	other.synced(theirs, gitopsv1.HealthHealthy)
	if m := (&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "my-app", Name: "web"}}); !there(t, m) {
		t.Error("my-app has nothing of its repository")
	}
	if err := up.Client.Patch(t.Context(), deployment, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":1}}`))); err != nil {
		t.Fatal(err)
	}
	s.await("what somebody scaled down is healed", func() bool {
		s.read(deployment)
		return *deployment.Spec.Replicas == 5 && deployment.Status.ReadyReplicas == 5
	})
	gone(t, s.app())
	if there(t, deployment) {
		t.Error("the Deployment outlived its Application, whose finalizer deletes it first")
	}
	gone(t, other.app())

	create(t, labelledSecret("staging", gitopsv1.SecretTypeCluster, map[string]string{
		"name": "staging", "server": "https://staging-api.example.com", "config": `{"tlsClientConfig":{"insecure":true},"bearerToken":"none"}`,
	}))
	apply(t, "applicationset.yaml")
	set := &gitopsv1.ApplicationSet{ObjectMeta: metav1.ObjectMeta{Namespace: gitopsv1.DefaultControlNamespace, Name: "my-api"}}
	s.read(set)
	awaitApplications(t, "each cluster has one", set, "my-api-production", "my-api-staging")
	app := s.app()
	s.await("the set leaves the sync to people", func() bool {
		return s.read(app).(*gitopsv1.Application).Status.Sync.Status == gitopsv1.SyncOutOfSync
	})
	if err := up.Client.Patch(t.Context(), app, client.RawPatch(types.MergePatchType, []byte(`{"operation":{"sync":{}}}`))); err != nil {
		t.Fatal(err)
	}
	s.synced(commit, gitopsv1.HealthHealthy)
	if !there(t, deployment) {
		t.Error("the Deployment is not there")
	}
	gone(t, set)
}
