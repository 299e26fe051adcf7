package cluster

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/kube/kubetest"
)

// registry is a server that keeps the managers of an object that a JSON patch names, and answers it with the object as it stands.
type registry struct {
	*kubetest.Server
	managers []string
}

func (r *registry) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.Header.Get("Content-Type") != string(types.JSONPatchType) {
		return r.Server.RoundTrip(q)
	}
	var steps []struct {
		Path  string
		Value json.RawMessage
	}
	text, err := io.ReadAll(q.Body)
	if err == nil {
		err = json.Unmarshal(text, &steps)
	}
	if err != nil {
		return nil, err
	}
	for _, step := range steps {
		var entries []metav1.ManagedFieldsEntry
		if step.Path == "/metadata/managedFields" && json.Unmarshal(step.Value, &entries) == nil {
			for _, e := range entries {
				r.managers = append(r.managers, strings.TrimSpace(e.Manager+" "+string(e.Operation)+" "+e.Subresource))
			}
		}
	}
	read := q.Clone(q.Context())
	read.Method, read.Body, read.ContentLength = http.MethodGet, nil, 0
	return r.Server.RoundTrip(read)
}

func TestFieldsThatAreTakenOverLeaveToOthersWhatIsTheirs(t *testing.T) {
	fields := map[string]any{"f:data": map[string]any{"f:owner": map[string]any{}}}
	for name, c := range map[string]struct {
		changed bool
		want    []string
	}{
		"of an object as it was observed":    {false, []string{gitopsv1.FieldManager + " Apply", "kube-controller-manager Update status"}},
		"of one that has changed since then": {true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			server := &registry{Server: &kubetest.Server{Now: time.Now, Kinds: []kubetest.Kind{{GroupVersionKind: configMap}}}}
			config := server.Config()
			config.Transport = server
			cluster, err := open(t.Context(), gitsync.Cluster{}, config, func(string, string) {})
			if err != nil {
				t.Fatal(err)
			}
			w, err := cluster.As("", ClientSideManager)
			if err != nil {
				t.Fatal(err)
			}
			theirs := settingsOf("kubectl")
			theirs.SetAnnotations(map[string]string{gitopsv1.AnnotationTrackingID: "shop:/ConfigMap:shop/settings"})
			if err := cluster.direct.Create(t.Context(), theirs); err != nil {
				t.Fatal(err)
			}
			server.Edit("ConfigMap", func(o *unstructured.Unstructured) {
				_ = unstructured.SetNestedSlice(o.Object, []any{
					map[string]any{"manager": ClientSideManager, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields},
					map[string]any{"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields},
				}, "metadata", "managedFields")
			})
			var live *unstructured.Unstructured
			for _, o := range server.Objects() {
				kept, err := slim(o)
				if err != nil {
					t.Fatal(err)
				}
				live = kept.(*unstructured.Unstructured)
			}
			if c.changed {
				server.Edit("ConfigMap", func(o *unstructured.Unstructured) { o.SetLabels(map[string]string{"changed": "true"}) })
			}
			_, err = w.Apply(t.Context(), gitsync.Write{Object: settingsOf("us"), Live: live})
			if apierrors.IsConflict(err) != c.changed || err != nil && !c.changed {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(c.want, server.managers); diff != "" {
				t.Error(diff)
			}
		})
	}
}
