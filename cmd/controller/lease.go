package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	typedcoordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/sluice-delivery/sluice/internal/kube"
)

// Times of the lease: who has not renewed it for leaseDuration has lost it, and has given up at renewDeadline already.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

const podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// lead makes the manager work only with the lease, and returns a configuration whose writes need it.
func lead(cfg *rest.Config, o options, settings *ctrl.Options) (*rest.Config, error) {
	fence, err := newFence(cfg, o)
	if err != nil {
		return nil, err
	}
	settings.LeaderElection = true
	settings.LeaderElectionID = leaseName(o)
	settings.LeaderElectionResourceLockInterface = fence
	settings.LeaderElectionReleaseOnCancel = true // the process ends when the manager does, and the next need not wait
	settings.LeaseDuration, settings.RenewDeadline, settings.RetryPeriod = new(leaseDuration), new(renewDeadline), new(retryPeriod)
	fenced := rest.CopyConfig(cfg)
	fenced.Wrap(fence.Wrap)
	return fenced, nil
}

// newFence makes the lock of the lease. Its requests do not pass the fence, for they are what opens it.
func newFence(cfg *rest.Config, o options) (*kube.Fence, error) {
	namespace, err := leaseNamespace(o)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("naming this process: %w", err)
	}
	cfg = rest.AddUserAgent(rest.CopyConfig(cfg), "leader-election")
	cfg.Timeout = renewDeadline / 2 // one request that hangs must not cost the lease
	leases, err := typedcoordinationv1.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("making the client of the lease: %w", err)
	}
	return kube.NewFence(&resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: leaseName(o)},
		Client:     leases,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())},
	}, leaseDuration), nil
}

// leaseName keeps instances apart that serve different objects of one cluster.
func leaseName(o options) string {
	if o.instanceID == "" {
		return "sluice-controller"
	}
	return "sluice-controller-" + strings.ToLower(o.instanceID)
}

func leaseNamespace(o options) (string, error) {
	if o.leaderElectionNamespace != "" {
		return o.leaderElectionNamespace, nil
	}
	data, err := os.ReadFile(podNamespaceFile)
	if errors.Is(err, os.ErrNotExist) {
		return "", errors.New("not running in a pod, so the lease has no namespace: set --leader-election-namespace, or --leader-elect=false")
	}
	if err != nil {
		return "", fmt.Errorf("finding the namespace of the lease: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}
