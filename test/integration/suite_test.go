package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/test/cluster"
	"github.com/sluice-delivery/sluice/test/line"
	"github.com/sluice-delivery/sluice/test/process"
	"github.com/sluice-delivery/sluice/test/stage"
	"github.com/sluice-delivery/sluice/test/world"
)

// home is the namespace of the controller.
const home = "sluice-system"

// suite is what all tests share. Its controller serves what has no instance label.
var suite struct {
	cluster    *cluster.Cluster
	world      *world.World
	admin      client.WithWatch
	controller running
	// dir holds the logs, and the programs in bin.
	dir string
}

// running is a controller that runs.
type running struct{ *process.Process }

// output is all that a controller has said.
func (r running) output() string { return outputOf(r.Name()) }

// outputOf is all that the controller of a name has said.
func outputOf(name string) string {
	data, err := os.ReadFile(filepath.Join(suite.dir, name+".log"))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func TestMain(m *testing.M) {
	code, err := runSuite(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runSuite(m *testing.M) (code int, err error) {
	up, err := stage.Up(context.Background(), stage.Options{Namespace: "shop", Audit: true, NoGitsync: true, Progress: os.Stderr})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, up.Down()) }()
	suite.cluster, suite.world, suite.admin, suite.controller, suite.dir = up.Cluster, up.World, up.Client, running{up.Controller}, up.Dir
	code = m.Run()
	if refused := forbidden(); len(refused) > 0 {
		return 1, fmt.Errorf("the rights of config/rbac are not enough; refused were %v", refused)
	}
	return code, nil
}

// startController runs one more controller, with the rights of the service account and a name in the audit log, and gives the address
// of its metrics. It has to be an instance of its own, or else it would only wait for the lease of the suite's.
func startController(ctx context.Context, name, instance string) (p *process.Process, metrics string, err error) {
	kubeconfig, err := accountConfig(name, nil)
	if err != nil {
		return nil, "", err
	}
	return startControllerWith(ctx, name, instance, kubeconfig)
}

// startControllerWith is startController with a kubeconfig that accountConfig has made.
func startControllerWith(ctx context.Context, name, instance, kubeconfig string) (p *process.Process, metrics string, err error) {
	p, metrics, ready, err := launchController(name, instance, kubeconfig)
	if err != nil {
		return nil, "", err
	}
	if err := p.Ready(ctx, ready); err != nil {
		return nil, "", errors.Join(err, p.End())
	}
	return p, metrics, nil
}

// launchController starts a controller and does not wait for it.
func launchController(name, instance, kubeconfig string) (p *process.Process, metrics string, ready func(context.Context) error, err error) {
	ports, err := process.FreePorts(2)
	if err != nil {
		return nil, "", nil, err
	}
	metrics, health := fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	p, err = process.Start(name, suite.dir, exec.Command(filepath.Join(suite.dir, "bin", "sluice-controller"),
		"--kubeconfig="+kubeconfig, "--leader-election-namespace="+home, "--instance-id="+instance,
		"--metrics-bind-address="+metrics, "--health-probe-bind-address="+health))
	return p, metrics, process.Answers(http.DefaultClient, "http://"+health+"/readyz"), err
}

// accountConfig writes a kubeconfig that acts as the controller's service account, by way of a line if there is one. The name stands in the
// audit log, beside the account.
func accountConfig(name string, by *line.Line) (string, error) {
	admin, err := clientcmd.LoadFromFile(suite.cluster.Kubeconfig)
	if err != nil {
		return "", err
	}
	for _, user := range admin.AuthInfos {
		user.Impersonate = "system:serviceaccount:" + home + ":sluice-controller"
		user.ImpersonateUserExtra = map[string][]string{processKey: {name}}
	}
	if by != nil {
		for _, server := range admin.Clusters {
			server.Server, server.CertificateAuthorityData = by.URL, by.CA
		}
	}
	path := filepath.Join(suite.dir, name+".kubeconfig")
	return path, clientcmd.WriteToFile(*admin, path)
}

// readObjects reads all objects of a file of YAML documents.
func readObjects(file string) ([]*unstructured.Unstructured, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, document := range bytes.Split(data, []byte("\n---")) {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &o.Object); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
	return objects, nil
}
