package cluster

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/internal/kube"
)

var (
	infoDesc      = prometheus.NewDesc("argocd_cluster_info", "Always 1; the labels describe a destination.", []string{"server", "k8s_version", "name"}, nil)
	connectedDesc = prometheus.NewDesc("argocd_cluster_connection_status", "1 if a destination answered when it was last asked, 0 if not.", []string{"server", "k8s_version"}, nil)
	kindsDesc     = prometheus.NewDesc("argocd_cluster_api_resources", "Kinds that are watched in a destination.", []string{"server"}, nil)
	objectsDesc   = prometheus.NewDesc("argocd_cluster_api_resource_objects", "Objects of the kinds that are watched in a destination.", []string{"server"}, nil)
)

// Measure registers the metrics of destinations, before any is used. They show what is known already: nothing is asked for them.
func (s *Set) Measure(registry prometheus.Registerer) error {
	s.events = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "argocd_cluster_events_total", Help: "Changes of watched objects that a destination told, what was there at first among them.",
	}, []string{"server", "group", "kind"})
	return errors.Join(registry.Register(s.events), registry.Register(kube.Census{
		Reader: s.Secrets, Count: s.count, Metrics: []*prometheus.Desc{infoDesc, connectedDesc, kindsDesc, objectsDesc},
	}))
}

func (s *Set) count(ctx context.Context, _ client.Reader, gauge kube.Gauge) error {
	targets, err := s.targets(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, t := range targets {
		server := t.identity.Server
		if seen[server] { // of two Secrets for a server the first one holds
			continue
		}
		seen[server] = true
		s.mu.Lock()
		known := s.open[server]
		s.mu.Unlock()
		if known == nil {
			gauge(infoDesc, 1, server, "", t.identity.Name)
			continue
		}
		version, kinds, objects := known.cluster.census(ctx)
		gauge(infoDesc, 1, server, version, t.identity.Name)
		gauge(kindsDesc, float64(kinds), server)
		gauge(objectsDesc, float64(objects), server)
		if answers, asked := known.cluster.gate.state(); asked {
			gauge(connectedDesc, kube.OneIf(answers), server, version)
		}
	}
	return nil
}

// census tells the version of the cluster if that was ever asked, how many kinds are watched, and how many objects of them there are.
func (c *Cluster) census(ctx context.Context) (version string, kinds, objects int) {
	c.mu.Lock()
	version = c.about.version
	var watched []schema.GroupVersionKind
	for k := range c.watched {
		watched = append(watched, k)
	}
	c.mu.Unlock()
	for _, gvk := range watched {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		// A kind that could not be listed is not in the cache.
		if c.cache.List(ctx, list, client.UnsafeDisableDeepCopy) == nil {
			kinds++
			objects += len(list.Items)
		}
	}
	return version, kinds, objects
}

// count notes that an object changed.
func (c *Cluster) count(o *unstructured.Unstructured) {
	if c.events != nil {
		k := o.GroupVersionKind()
		c.events.WithLabelValues(c.Identity.Server, k.Group, k.Kind).Inc()
	}
}
