package gitsync

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/suite"
)

// tea speaks as Gitea does of the pull requests that are open.
type tea struct {
	mu   sync.Mutex
	open []int
	down bool
}

func (s *tea) set(down bool, open ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.open = down, open
}

func (s *tea) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down || r.URL.Path != "/api/v1/repos/shop/web/pulls" || r.Header.Get("Authorization") != "token "+leaf {
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprintf(w, "what is this: %v", r.Header)
		return
	}
	var all []string
	for _, number := range s.open {
		all = append(all, fmt.Sprintf(`{"number": %d, "title": "T", "user": {"login": "eve"}, "head": {"ref": "feat", "sha": "c0ffee0%d"}, "base": {"ref": "main"}}`, number, number))
	}
	fmt.Fprintf(w, "[%s]", strings.Join(all, ","))
}

// leaf is the token of the provider.
const leaf = "leaf-of-tea-0c0ffee"

const previews = `
goTemplate: true
generators:
  - pullRequest:
      gitea: {owner: shop, repo: web, api: API, tokenRef: {secretName: tea, key: token}}
template:
  metadata: {name: "preview-{{.number}}", labels: {commit: "{{.head_short_sha_7}}"}}
  spec:
    project: default
    source: {repoURL: "https://git.example.com/shop/web.git", targetRevision: "{{.head_sha}}", path: deploy}
    destination: {name: in-cluster, namespace: shop}
`

func TestPreviewsComeAndGoWithPullRequestsAndStayWhenTheProviderIsDown(t *testing.T) {
	there := &tea{open: []int{1}}
	server := httptest.NewServer(there)
	t.Cleanup(server.Close)
	inControl := metav1.ObjectMeta{Namespace: gitopsv1.DefaultControlNamespace, Name: "tea"}
	set := &gitopsv1.ApplicationSet{ObjectMeta: inControl}
	if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(previews, "API", server.URL)), &set.Spec); err != nil {
		t.Fatal(err)
	}
	for _, o := range []client.Object{&corev1.Secret{ObjectMeta: inControl, StringData: map[string]string{"token": leaf}}, set} {
		if err := up.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := up.Client.Delete(context.WithoutCancel(t.Context()), o); err != nil {
				t.Error(err)
			}
		})
	}
	awaitApplications(t, "at first", set, "preview-1")

	// Without a webhook the set would look again in half an hour.
	for _, change := range []struct {
		what string
		open []int
	}{{"another one is opened", []int{1, 2}}, {"the first one is closed", []int{2}}} {
		there.set(false, change.open...)
		up.Forge.TellRequest(server.URL + "/shop/web")
		var want []string
		for _, number := range change.open {
			want = append(want, fmt.Sprint("preview-", number))
		}
		awaitApplications(t, change.what, set, want...)
	}

	there.set(true)
	up.Forge.TellRequest(server.URL + "/shop/web")
	suite.Eventually(t, "the set says that the provider is down", func() bool {
		if err := up.Client.Get(t.Context(), client.ObjectKeyFromObject(set), set); err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(set.Status.Conditions, func(c gitopsv1.ApplicationSetCondition) bool {
			return c.Type == gitopsv1.ConditionErrorOccurred && c.Status == metav1.ConditionTrue && strings.Contains(c.Message, "502 Bad Gateway")
		})
	})
	awaitApplications(t, "the provider is down", set, "preview-2")
	text, err := yaml.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if all := said(t) + string(text); strings.Contains(all, leaf) {
		t.Errorf("the token is told:\n%s", all)
	}
}

// awaitApplications waits until the Applications of a set are these, and none is being deleted.
func awaitApplications(t *testing.T, when string, set *gitopsv1.ApplicationSet, want ...string) {
	t.Helper()
	suite.Eventually(t, fmt.Sprintf("the Applications are %v when %s", want, when), func() bool {
		var apps gitopsv1.ApplicationList
		if err := up.Client.List(t.Context(), &apps, client.InNamespace(set.Namespace)); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, app := range apps.Items {
			if metav1.IsControlledBy(&app, set) {
				names = append(names, app.Name)
				if app.DeletionTimestamp != nil {
					names = append(names, "and "+app.Name+" is being deleted")
				}
			}
		}
		slices.Sort(names)
		return slices.Equal(names, want)
	})
}
