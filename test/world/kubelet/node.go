package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// leaseEvery is a quarter of the 40 s after which the controller manager gives a silent node up.
	leaseEvery     = 10 * time.Second
	leaseNamespace = corev1.NamespaceNodeLease
	podsPerNode    = "10000"
	// goodbye bounds the removal of the nodes, since the API server may be gone before us.
	goodbye = 3 * time.Second
)

func (k *Kubelet) eachNode(ctx context.Context, do func(ctx context.Context, name string) error) error {
	var group errgroup.Group
	for name := range k.nodes {
		group.Go(func() error { return k.write(ctx, func() error { return do(ctx, name) }) })
	}
	return group.Wait()
}

// register creates the node with its status, takes the taint off that admission puts on each new one, and leaves a
// node of an earlier world as good as new.
func (k *Kubelet) register(ctx context.Context, name string) error {
	node := k.node(name)
	_, err := k.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		err = k.reportReady(ctx, name)
	}
	if err == nil {
		_, err = k.client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, []byte(`{"spec":{"taints":null}}`), metav1.PatchOptions{})
	}
	if err != nil {
		return fmt.Errorf("registering node %s: %w", name, err)
	}
	return k.renew(ctx, name)
}

func (k *Kubelet) node(name string) *corev1.Node {
	room := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("10000"),
		corev1.ResourceMemory:           resource.MustParse("10Ti"),
		corev1.ResourceEphemeralStorage: resource.MustParse("10Ti"),
		corev1.ResourcePods:             resource.MustParse(podsPerNode),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
		}},
		Status: corev1.NodeStatus{
			Capacity: room, Allocatable: room, Conditions: nodeConditions(),
			Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: k.nodes[name]}, {Type: corev1.NodeHostName, Address: name}},
			NodeInfo:  corev1.NodeSystemInfo{KubeletVersion: "v0.0.0-world", OperatingSystem: "linux", Architecture: "amd64"},
		},
	}
}

func nodeConditions() []corev1.NodeCondition {
	now := metav1.Now()
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, Reason: reason, LastHeartbeatTime: now, LastTransitionTime: now}
	}
	return []corev1.NodeCondition{
		condition(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady"),
		condition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory"),
		condition(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure"),
		condition(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID"),
	}
}

func (k *Kubelet) reportReady(ctx context.Context, name string) error {
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": nodeConditions()}})
	if err != nil {
		return err
	}
	_, err = k.client.CoreV1().Nodes().Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// keepAlive renews all leases until ctx ends.
func (k *Kubelet) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(leaseEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := k.eachNode(ctx, k.beat); err != nil && ctx.Err() == nil {
			k.options.Log.Warn("A node's heartbeat failed and is tried again.", "error", err)
		}
	}
}

// beat renews the lease, and repairs the status where a stall of this machine had the node given up.
func (k *Kubelet) beat(ctx context.Context, name string) error {
	if err := k.renew(ctx, name); err != nil {
		return err
	}
	node, err := k.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading node %s: %w", name, err)
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
			return nil
		}
	}
	if err := k.reportReady(ctx, name); err != nil {
		return fmt.Errorf("reporting node %s ready again: %w", name, err)
	}
	return nil
}

func (k *Kubelet) renew(ctx context.Context, name string) error {
	now, seconds := metav1.NowMicro(), int32(40)
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"renewTime": now}})
	if err != nil {
		return err
	}
	leases := k.client.CoordinationV1().Leases(leaseNamespace)
	_, err = leases.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		lease := &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: leaseNamespace},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &name, LeaseDurationSeconds: &seconds, RenewTime: &now},
		}
		_, err = leases.Create(ctx, lease, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("renewing the lease of node %s: %w", name, err)
	}
	return nil
}

// removeNodes takes the nodes out of a cluster that may live longer than this world.
func (k *Kubelet) removeNodes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	return k.eachNode(ctx, func(ctx context.Context, name string) error {
		err := errors.Join(
			ignoreNotFound(k.client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{})),
			ignoreNotFound(k.client.CoordinationV1().Leases(leaseNamespace).Delete(ctx, name, metav1.DeleteOptions{})))
		if err != nil {
			return fmt.Errorf("removing node %s: %w", name, err)
		}
		return nil
	})
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
