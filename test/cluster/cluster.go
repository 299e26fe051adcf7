package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/sluice-delivery/sluice/test/process"
)

const apiServer = "kube-apiserver"

// Options are the choices of a caller of Start.
type Options struct {
	// AuditLog is where the API server writes one JSON line per stage of each request (never bodies). Empty: nowhere.
	AuditLog string
	// Progress receives what a person who waits should read. Nil: standard error.
	Progress io.Writer
}

// Cluster is a running control plane.
type Cluster struct {
	// Kubeconfig is the path of a file that makes kubectl the administrator of this cluster.
	Kubeconfig string
	// AuditLog is the path that Options gave.
	AuditLog string

	dir       string
	config    *rest.Config
	binaries  binaries
	port      int                // of the API server
	processes []*process.Process // in order of their start
}

// Start starts a control plane and returns once it answers, reconciles and schedules. After an error nothing is left.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	if os.Getenv("USE_EXISTING_CLUSTER") == "true" {
		return existing(options)
	}
	if options.Progress == nil {
		options.Progress = os.Stderr
	}
	if options.AuditLog != "" {
		absolute, err := filepath.Abs(options.AuditLog)
		if err != nil {
			return nil, fmt.Errorf("placing the audit log: %w", err)
		}
		options.AuditLog = absolute // the API server works in a folder of its own
	}
	binaries, err := findBinaries(ctx, options.Progress)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sluice-cluster-")
	if err != nil {
		return nil, fmt.Errorf("making the cluster's folder: %w", err)
	}
	c := &Cluster{dir: dir, AuditLog: options.AuditLog, Kubeconfig: filepath.Join(dir, "kubeconfig"), binaries: binaries}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.release((*process.Process).End))
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	ports, err := process.FreePorts(2)
	if err != nil {
		return err
	}
	if err := c.checkSocket(); err != nil {
		return err
	}
	c.port = ports[0]
	if err := c.writeFiles(); err != nil {
		return fmt.Errorf("writing the cluster's files: %w", err)
	}
	schedulerReady := process.Answers(anonymous, fmt.Sprintf("https://127.0.0.1:%d/readyz", ports[1]))
	for _, server := range []struct {
		name  string
		flags []string
		ready func(context.Context) error
	}{
		{"etcd", c.etcdFlags(), c.etcdListens},
		{apiServer, c.apiServerFlags(), c.answers},
		{"kube-scheduler", c.schedulerFlags(ports[1]), schedulerReady},
		{"kube-controller-manager", c.controllerManagerFlags(), c.reconciles},
	} {
		if err := c.run(ctx, len(c.processes), server.name, server.flags, server.ready); err != nil {
			return err
		}
	}
	return nil
}

// run starts a server, whose place in the order is given, and waits until it is ready.
func (c *Cluster) run(ctx context.Context, place int, name string, flags []string, ready func(context.Context) error) error {
	binary, arguments := c.binaries.command(name)
	p, err := process.Start(name, c.dir, exec.Command(binary, append(arguments, flags...)...))
	if err != nil {
		return err
	}
	c.processes = slices.Insert(c.processes, place, p)
	return p.Ready(ctx, ready)
}

// Interrupt ends the API server until Resume starts it again: at the same address, with what it knew.
func (c *Cluster) Interrupt() error {
	at := slices.IndexFunc(c.processes, func(p *process.Process) bool { return p.Name() == apiServer })
	if at < 0 {
		return errors.New("there is no API server to interrupt")
	}
	p := c.processes[at]
	c.processes = slices.Delete(c.processes, at, at+1)
	return p.Stop()
}

// Resume ends what Interrupt began, and returns once the API server answers.
func (c *Cluster) Resume(ctx context.Context) error {
	const behindEtcd = 1
	return c.run(ctx, behindEtcd, apiServer, c.apiServerFlags(), c.answers)
}

// answers asks the API server whether it is ready.
func (c *Cluster) answers(ctx context.Context) error {
	administrator, err := rest.HTTPClientFor(c.config)
	if err != nil {
		return fmt.Errorf("making the administrator's client: %w", err)
	}
	defer administrator.CloseIdleConnections()
	return process.Answers(administrator, c.config.Host+"/readyz")(ctx)
}

// checkSocket refuses what the kernel would refuse with no more than "invalid argument".
func (c *Cluster) checkSocket() error {
	const longest = 103 // bytes, on the strictest of systems
	if path := filepath.Join(c.dir, etcdSocket); len(path) > longest {
		return fmt.Errorf("placing etcd's socket: %s has %d characters and may have %d; set TMPDIR to a shorter path",
			path, len(path), longest)
	}
	return nil
}

// etcdListens dials etcd's socket.
func (c *Cluster) etcdListens(ctx context.Context) error {
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(c.dir, etcdSocket))
	if err != nil {
		return err
	}
	return connection.Close()
}

// reconciles sees that the controllers work, by what no pod can do without: the default service account.
func (c *Cluster) reconciles(ctx context.Context) error {
	clients, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return err
	}
	_, err = clients.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
	return err
}

// Config returns a configuration of the administrator, of the group system:masters, without a limit on requests.
func (c *Cluster) Config() *rest.Config {
	return rest.CopyConfig(c.config)
}

// ConfigFor returns a configuration that acts as another user, with that user's rights only, and under a user agent of
// its own, by which the audit log tells clients apart. The API server adds the groups that every service account
// (system:serviceaccount:NAMESPACE:NAME) is in.
func (c *Cluster) ConfigFor(user, userAgent string, groups ...string) *rest.Config {
	config := c.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	config.UserAgent = userAgent
	return config
}

// Stop ends what Start began and removes its files, the kubeconfig among them, but not the audit log. It is an error
// if a server had ended by itself before.
func (c *Cluster) Stop() error {
	return c.release((*process.Process).Stop)
}

func (c *Cluster) release(end func(*process.Process) error) error {
	var problems []error
	for _, p := range slices.Backward(c.processes) {
		problems = append(problems, end(p))
	}
	c.processes = nil
	if c.dir != "" {
		problems = append(problems, os.RemoveAll(c.dir))
	}
	return errors.Join(problems...)
}

// existing takes the cluster that the user's kubeconfig points at.
func existing(options Options) (*Cluster, error) {
	if options.AuditLog != "" {
		return nil, errors.New("reading the audit log of an existing cluster is not possible: unset USE_EXISTING_CLUSTER")
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of the existing cluster: %w", err)
	}
	config.QPS = -1
	return &Cluster{config: config, Kubeconfig: rules.GetDefaultFilename()}, nil
}

// writeKubeconfig writes what kubectl and the servers read, with the administrator's certificate in it.
func (c *Cluster) writeKubeconfig() error {
	const name = "sluice"
	return clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {
			Server: c.config.Host, CertificateAuthorityData: c.config.CAData,
		}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{name: {
			ClientCertificateData: c.config.CertData, ClientKeyData: c.config.KeyData,
		}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}, c.Kubeconfig)
}
