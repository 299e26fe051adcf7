package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
)

// Files in the cluster's folder, which is the working folder of its servers.
const (
	etcdSocket     = "etcd.sock"
	authorityFile  = "ca.crt"
	serverFile     = "apiserver.crt"
	serverKeyFile  = "apiserver.key"
	tokenKeyFile   = "service-accounts.key"
	auditRulesFile = "audit-policy.yaml"
)

// auditRules count each request once when it ends (and a watch when it begins, too), and record no bodies.
const auditRules = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

// idleControllers need a cloud, volumes or kubelets. Without kubelets, node-lifecycle would call every node lost.
var idleControllers = []string{
	"node-lifecycle-controller", "taint-eviction-controller", "device-taint-eviction-controller",
	"node-ipam-controller", "ttl-controller", "persistentvolume-binder-controller",
	"persistentvolume-attach-detach-controller", "persistentvolume-expander-controller",
	"ephemeral-volume-controller", "resourceclaim-controller", "certificatesigningrequest-signing-controller",
	"certificatesigningrequest-approving-controller", "certificatesigningrequest-cleaner-controller",
}

// writeFiles makes the certificates and the administrator's configuration.
func (c *Cluster) writeFiles() error {
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	server, err := ca.server()
	if err != nil {
		return err
	}
	administrator, err := ca.client("sluice-administrator", "system:masters")
	if err != nil {
		return err
	}
	tokens, err := ca.client("service-accounts") // only its key is used
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		authorityFile: ca.certificate, serverFile: server.certificate, serverKeyFile: server.key,
		tokenKeyFile: tokens.key, auditRulesFile: []byte(auditRules),
	} {
		if err := os.WriteFile(filepath.Join(c.dir, name), content, 0o600); err != nil {
			return err
		}
	}
	c.config = &rest.Config{
		Host: fmt.Sprintf("https://127.0.0.1:%d", c.port),
		TLSClientConfig: rest.TLSClientConfig{
			CAData: ca.certificate, CertData: administrator.certificate, KeyData: administrator.key,
		},
		QPS: -1,
	}
	return c.writeKubeconfig()
}

// etcdFlags make etcd listen on a socket in the cluster's folder, which only this user may open. Nothing ever talks
// to the other addresses, but etcd wants to know them.
func (c *Cluster) etcdFlags() []string {
	return []string{
		"--data-dir=etcd",
		"--listen-client-urls=unix://" + filepath.Join(c.dir, etcdSocket),
		"--advertise-client-urls=http://127.0.0.1:0",
		"--listen-peer-urls=http://127.0.0.1:0",
		"--unsafe-no-fsync", // the data does not outlive the process
		"--log-level=warn",
	}
}

func (c *Cluster) apiServerFlags() []string {
	flags := []string{
		"--etcd-servers=unix://" + filepath.Join(c.dir, etcdSocket),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1", // a machine without any network has no other
		fmt.Sprintf("--secure-port=%d", c.port),
		"--tls-cert-file=" + serverFile,
		"--tls-private-key-file=" + serverKeyFile,
		"--client-ca-file=" + authorityFile,
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + tokenKeyFile,
		"--service-account-signing-key-file=" + tokenKeyFile,
		"--service-cluster-ip-range=10.0.0.0/16",
		"--endpoint-reconciler-type=none", // endpoints on the loopback interface are refused
		// Nobody would take the not-ready taint off a node again, without its life-cycle controller.
		"--disable-admission-plugins=TaintNodesByCondition",
	}
	if c.AuditLog != "" {
		flags = append(flags, "--audit-log-path="+c.AuditLog, "--audit-policy-file="+auditRulesFile,
			"--audit-log-maxsize=100000") // in MB: readers want one file, not a rotated one
	}
	return flags
}

func (c *Cluster) controllerManagerFlags() []string {
	const noPort = 0 // its work says that it is well
	return append(c.clientFlags(noPort),
		"--controllers=*,-"+strings.Join(idleControllers, ",-"),
		"--service-account-private-key-file="+tokenKeyFile,
		"--root-ca-file="+authorityFile,
		"--horizontal-pod-autoscaler-sync-period=1s",
		"--resource-quota-sync-period=10s",
	)
}

func (c *Cluster) schedulerFlags(port int) []string {
	return c.clientFlags(port)
}

// clientFlags suit a client of the API server that has no rival for its lease and need not hold back its requests.
func (c *Cluster) clientFlags(port int) []string {
	return []string{
		"--kubeconfig=" + c.Kubeconfig,
		"--leader-elect=false",
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
	}
}
