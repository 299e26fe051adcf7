package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// shelf is a cache that holds so many objects of each kind.
type shelf struct {
	cache.Cache
	holds map[string]int
}

func (s shelf) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	kind := strings.TrimSuffix(list.GetObjectKind().GroupVersionKind().Kind, "List")
	n, known := s.holds[kind]
	if !known {
		return errors.New("nobody watches " + kind)
	}
	list.(*unstructured.UnstructuredList).Items = make([]unstructured.Unstructured, n)
	return nil
}

func TestMetricsDescribeDestinations(t *testing.T) {
	s := newSet(t, clusterSecret("paris", paris))
	registry := prometheus.NewPedanticRegistry()
	if err := s.Measure(registry); err != nil {
		t.Fatal(err)
	}
	c, _, err := s.Find(t.Context(), gitopsv1.Destination{Name: "paris"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"Deployment", "Service", "Broken"} {
		c.watched[schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: kind}] = &watch{}
	}
	c.cache, c.about = shelf{holds: map[string]int{"Deployment": 2, "Service": 3}}, about{version: "v1.35.0"}
	const described = `
# HELP argocd_cluster_api_resource_objects Objects of the kinds that are watched in a destination.
# TYPE argocd_cluster_api_resource_objects gauge
argocd_cluster_api_resource_objects{server="https://paris.example.com"} 5
# HELP argocd_cluster_api_resources Kinds that are watched in a destination.
# TYPE argocd_cluster_api_resources gauge
argocd_cluster_api_resources{server="https://paris.example.com"} 2
# HELP argocd_cluster_info Always 1; the labels describe a destination.
# TYPE argocd_cluster_info gauge
argocd_cluster_info{k8s_version="",name="in-cluster",server="https://kubernetes.default.svc"} 1
argocd_cluster_info{k8s_version="v1.35.0",name="paris",server="https://paris.example.com"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(described)); err != nil {
		t.Errorf("before anything was asked: %v", err)
	}
	status := func(value string) string {
		return `
# HELP argocd_cluster_connection_status 1 if a destination answered when it was last asked, 0 if not.
# TYPE argocd_cluster_connection_status gauge
argocd_cluster_connection_status{k8s_version="v1.35.0",server="https://paris.example.com"} ` + value + "\n"
	}
	c.gate.answered = c.gate.clock()
	if err := testutil.GatherAndCompare(registry, strings.NewReader(status("1")), "argocd_cluster_connection_status"); err != nil {
		t.Error(err)
	}
	c.gate.trouble = errRefusesCredentials
	if err := testutil.GatherAndCompare(registry, strings.NewReader(status("0")), "argocd_cluster_connection_status"); err != nil {
		t.Error(err)
	}
}

func TestEachChangeOfAnObjectIsCountedOnce(t *testing.T) {
	s := newSet(t, clusterSecret("paris", paris))
	if err := s.Measure(prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	c, _, err := s.Find(t.Context(), gitopsv1.Destination{Name: "paris"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	object := func(version, holder string) *unstructured.Unstructured {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"})
		o.SetResourceVersion(version)
		o.SetNamespace("shop")
		o.SetName("web")
		o.SetAnnotations(map[string]string{gitopsv1.AnnotationTrackingID: holder + ":apps/Deployment:shop/web"})
		return o
	}
	c.tell(object("1", "a"))
	c.told(object("1", "a"), object("1", "a"))
	c.told(object("1", "a"), object("2", "b"))
	c.tell(object("2", "b"))
	if n := testutil.ToFloat64(s.events.WithLabelValues(paris, "apps", "Deployment")); n != 3 {
		t.Errorf("%v events", n)
	}
}
