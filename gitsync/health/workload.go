package health

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-delivery/sluice/gitsync"
)

// inGo are the checks of kinds that rules could not express as plainly.
var inGo = map[string]check{
	"apps/Deployment": plain(deployment), "apps/StatefulSet": plain(statefulSet), "apps/DaemonSet": plain(daemonSet), "apps/ReplicaSet": plain(replicaSet),
	"extensions/Deployment": plain(deployment), "extensions/DaemonSet": plain(daemonSet), "extensions/ReplicaSet": plain(replicaSet),
	"Pod": plain(pod), "batch/Job": plain(job), "Service": plain(service), "PersistentVolumeClaim": plain(claim),
	"networking.k8s.io/Ingress": plain(ingress), "extensions/Ingress": plain(ingress),
	"autoscaling/HorizontalPodAutoscaler": plain(autoscaler), "apiregistration.k8s.io/APIService": plain(apiService),
	"argoproj.io/Rollout": plain(rollout),
}

func plain(judge func(o *unstructured.Unstructured) gitsync.Health) check {
	return func(o *unstructured.Unstructured, _ time.Time) (gitsync.Health, error) { return judge(o), nil }
}

// observed reports whether the status of a workload is one of its present generation.
func observed(o *unstructured.Unstructured) bool {
	return o.GetGeneration() <= count(o.Object, "status", "observedGeneration")
}

// replicas is how many pods a workload asks for; found is false where somebody else decides that.
func replicas(o *unstructured.Unstructured) (n int64, found bool) {
	f, found := number(o.Object, "spec", "replicas")
	return int64(f), found
}

func deployment(o *unstructured.Unstructured) gitsync.Health {
	if paused, _ := at(o.Object, "spec", "paused").(bool); paused {
		return suspended("Deployment is paused")
	}
	if !observed(o) {
		return progressing("Waiting for rollout to finish: observed deployment generation less than desired generation")
	}
	if conditionOf(o, "Progressing").reason == "ProgressDeadlineExceeded" {
		return degraded(fmt.Sprintf("Deployment %q exceeded its progress deadline", o.GetName()))
	}
	all, updated, available := count(o.Object, "status", "replicas"), count(o.Object, "status", "updatedReplicas"), count(o.Object, "status", "availableReplicas")
	want, decided := replicas(o)
	switch {
	case decided && updated < want:
		return progressing(fmt.Sprintf("Waiting for rollout to finish: %d out of %d new replicas have been updated...", updated, want))
	case all > updated:
		return progressing(fmt.Sprintf("Waiting for rollout to finish: %d old replicas are pending termination...", all-updated))
	case available < updated:
		return progressing(fmt.Sprintf("Waiting for rollout to finish: %d of %d updated replicas are available...", available, updated))
	}
	return healthy("")
}

func statefulSet(o *unstructured.Unstructured) gitsync.Health {
	if count(o.Object, "status", "observedGeneration") == 0 || !observed(o) {
		return progressing("Waiting for statefulset spec update to be observed...")
	}
	ready, updated := count(o.Object, "status", "readyReplicas"), count(o.Object, "status", "updatedReplicas")
	want, decided := replicas(o)
	if decided && ready < want {
		return progressing(fmt.Sprintf("Waiting for %d pods to be ready...", want-ready))
	}
	partition, partitioned := number(o.Object, "spec", "updateStrategy", "rollingUpdate", "partition")
	strategy := text(o.Object, "spec", "updateStrategy", "type")
	switch {
	case strategy == "OnDelete":
		return healthy(fmt.Sprintf("statefulset has %d ready pods", ready))
	case partitioned && partition > 0:
		if decided && updated < want-int64(partition) {
			return progressing(fmt.Sprintf("Waiting for partitioned roll out to finish: %d out of %d new pods have been updated...", updated, want-int64(partition)))
		}
		return healthy(fmt.Sprintf("partitioned roll out complete: %d new pods have been updated...", updated))
	case text(o.Object, "status", "updateRevision") != text(o.Object, "status", "currentRevision"):
		return progressing(fmt.Sprintf("waiting for statefulset rolling update to complete %d pods at revision %s...", updated, text(o.Object, "status", "updateRevision")))
	}
	return healthy(fmt.Sprintf("statefulset rolling update complete %d pods at revision %s...", count(o.Object, "status", "currentReplicas"), text(o.Object, "status", "currentRevision")))
}

func daemonSet(o *unstructured.Unstructured) gitsync.Health {
	if !observed(o) {
		return progressing(fmt.Sprintf("Waiting for daemon set %q rollout to finish: observed daemon set generation less than desired generation", o.GetName()))
	}
	want, updated := count(o.Object, "status", "desiredNumberScheduled"), count(o.Object, "status", "updatedNumberScheduled")
	available := count(o.Object, "status", "numberAvailable")
	switch {
	case text(o.Object, "spec", "updateStrategy", "type") == "OnDelete":
		return healthy(fmt.Sprintf("daemon set %d out of %d new pods have been updated", updated, want))
	case updated < want:
		return progressing(fmt.Sprintf("Waiting for daemon set %q rollout to finish: %d out of %d new pods have been updated...", o.GetName(), updated, want))
	case available < want:
		return progressing(fmt.Sprintf("Waiting for daemon set %q rollout to finish: %d of %d updated pods are available...", o.GetName(), available, want))
	}
	return healthy("")
}

func replicaSet(o *unstructured.Unstructured) gitsync.Health {
	if !observed(o) {
		return progressing("Waiting for rollout to finish: observed replica set generation less than desired generation")
	}
	if failure := conditionOf(o, "ReplicaFailure"); failure.status == "True" {
		return degraded(failure.message)
	}
	available := count(o.Object, "status", "availableReplicas")
	if want, decided := replicas(o); decided && available < want {
		return progressing(fmt.Sprintf("Waiting for rollout to finish: %d out of %d new replicas are available...", available, want))
	}
	return healthy("")
}
