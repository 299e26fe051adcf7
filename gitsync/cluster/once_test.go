package cluster

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// api is a server that answers with what it holds by path, and notes what it was asked for.
type api struct {
	answers map[string]any
	asked   []string
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked = append(a.asked, r.URL.RequestURI())
	answer, known := a.answers[r.URL.Path]
	w.Header().Set("Content-Type", "application/json")
	switch {
	case known:
		if status, fails := answer.(metav1.Status); fails {
			w.WriteHeader(int(status.Code))
		}
	case strings.HasPrefix(r.URL.Path, "/apis/"): // a group that is not served
		w.WriteHeader(http.StatusNotFound)
		answer = failure(metav1.StatusReasonNotFound, http.StatusNotFound)
	default:
		w.WriteHeader(http.StatusForbidden)
		answer = failure(metav1.StatusReasonForbidden, http.StatusForbidden)
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func failure(reason metav1.StatusReason, code int32) metav1.Status {
	return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: reason, Code: code, Message: "no right"}
}

func resources(groupVersion string, kinds ...string) metav1.APIResourceList {
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: groupVersion}
	for _, kind := range kinds {
		list.APIResources = append(list.APIResources, metav1.APIResource{
			Name: strings.ToLower(kind) + "s", Kind: kind, Namespaced: true, Verbs: metav1.Verbs{"get", "list"},
		})
	}
	return list
}

func named(kind, name string) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"namespace": "shop", "name": name, "annotations": map[string]any{"a": "b"}}}
}

func connect(t *testing.T, a *api, once *Once) *Cluster {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	c, err := open(t.Context(), gitsync.Cluster{Server: server.URL}, &rest.Config{Host: server.URL}, func(string, string) {})
	if err != nil {
		t.Fatal(err)
	}
	c.once = once
	return c
}

func newAPI() *api {
	return &api{answers: map[string]any{
		"/api":                                 metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}},
		"/apis":                                metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}},
		"/api/v1":                              resources("v1", "ConfigMap", "Secret", "Event"),
		"/api/v1/namespaces/shop/configmaps":   map[string]any{"apiVersion": "v1", "kind": "ConfigMapList", "items": []any{named("ConfigMap", "a"), named("ConfigMap", "b")}},
		"/api/v1/namespaces/shop/configmaps/a": named("ConfigMap", "a"),
	}}
}

var configMap = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}

func TestACommandReadsOneByOneAndWatchesNothing(t *testing.T) {
	a := newAPI()
	c := connect(t, a, &Once{Namespaces: []string{"shop"}})
	c.Use(t.Context(), "shop", []schema.GroupVersionKind{configMap})
	o, err := c.Live(t.Context(), configMap, gitsync.Key{Kind: "ConfigMap", Namespace: "shop", Name: "a"})
	if err != nil || o == nil || o.GetName() != "a" {
		t.Fatalf("%v, %v", o, err)
	}
	if _, err := c.Live(t.Context(), configMap, gitsync.Key{Kind: "ConfigMap", Namespace: "shop", Name: "hidden"}); err == nil || !strings.Contains(err.Error(), "reading ConfigMap shop/hidden") {
		t.Errorf("error %v", err)
	}
	all, err := c.List(t.Context(), configMap)
	if err != nil || len(all) != 2 {
		t.Errorf("%d objects, %v", len(all), err)
	}
	if tracked, err := c.Tracked(t.Context(), configMap, "shop"); err != nil || tracked != nil {
		t.Errorf("%v, %v", tracked, err)
	}
	if all, err := c.List(t.Context(), schema.GroupVersionKind{Group: gitopsv1.GroupVersion.Group, Version: "v1alpha1", Kind: "Rollout"}); err != nil || all != nil {
		t.Errorf("a kind that is not served gives %v, %v", all, err)
	}
	for _, uri := range a.asked {
		if strings.Contains(uri, "watch") || uri == "/api/v1/configmaps" {
			t.Errorf("the server was asked for %s", uri)
		}
	}
}

func TestNeighboursAreListedByTheirMetadata(t *testing.T) {
	a := newAPI()
	c := connect(t, a, nil)
	found, err := c.Neighbours(t.Context(), "shop", func(k gitsync.GroupKind) bool { return k.Kind != "Event" })
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Objects) != 2 || gitsync.KeyOf(found.Objects[0]) != (gitsync.Key{Kind: "ConfigMap", Namespace: "shop", Name: "a"}) || found.Objects[0].GetAnnotations()["a"] != "b" {
		t.Errorf("objects %v", found.Objects)
	}
	if found.Unread != "there is no right to list Secret in namespace shop" {
		t.Errorf("it says %q", found.Unread)
	}
}
