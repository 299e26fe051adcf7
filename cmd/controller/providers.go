package main

import (
	"os"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/cloudwatch"
	"github.com/sluice-delivery/sluice/analysis/credential"
	"github.com/sluice-delivery/sluice/analysis/datadog"
	"github.com/sluice-delivery/sluice/analysis/graphite"
	"github.com/sluice-delivery/sluice/analysis/influxdb"
	"github.com/sluice-delivery/sluice/analysis/job"
	"github.com/sluice-delivery/sluice/analysis/kayenta"
	"github.com/sluice-delivery/sluice/analysis/newrelic"
	"github.com/sluice-delivery/sluice/analysis/prometheus"
	"github.com/sluice-delivery/sluice/analysis/sigv4"
	"github.com/sluice-delivery/sluice/analysis/skywalking"
	"github.com/sluice-delivery/sluice/analysis/wavefront"
	"github.com/sluice-delivery/sluice/analysis/web"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/controllers/analysisrun"
)

// providers finds the provider of a metric. A build that leaves a row out is smaller by that provider.
func providers(c client.Client, live client.Reader, namespace string) analysisrun.Providers {
	secrets := credential.Store{Live: live, Namespace: namespace}
	amazon := &sigv4.Signer{Getenv: os.Getenv}
	known := map[string]analysis.Provider{
		analysis.KindPrometheus: &prometheus.Provider{Signer: amazon},
		analysis.KindWeb:        web.Provider{},
		analysis.KindJob:        &job.Provider{Client: c, Live: live},
		analysis.KindCloudWatch: cloudwatch.Provider{Signer: amazon},
		analysis.KindDatadog:    datadog.Provider{Secrets: secrets, Getenv: os.Getenv},
		analysis.KindGraphite:   graphite.Provider{},
		analysis.KindInfluxdb:   influxdb.Provider{Secrets: secrets},
		analysis.KindKayenta:    kayenta.Provider{},
		analysis.KindNewRelic:   newrelic.Provider{Secrets: secrets},
		analysis.KindSkyWalking: skywalking.Provider{},
		analysis.KindWavefront:  wavefront.Provider{Secrets: secrets},
	}
	return func(p v1alpha1.MetricProvider) analysis.Provider { return known[analysis.KindOf(p)] }
}

// ownNamespace is that of the pod, or where the lease is outside of a cluster; empty if neither is known.
func ownNamespace(o options) string {
	if data, err := os.ReadFile(podNamespaceFile); err == nil {
		return strings.TrimSpace(string(data))
	}
	return o.leaderElectionNamespace
}
