package stage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/controllers/push"
	"github.com/sluice-delivery/sluice/gitsync/webhook"
	"github.com/sluice-delivery/sluice/test/cluster"
	"github.com/sluice-delivery/sluice/test/process"
)

// home is the namespace of the controller, and controllerName the name of its service account.
const (
	home           = "sluice-system"
	controllerName = "sluice-controller"
)

// hookSecret is what the Git server signs its deliveries with.
const hookSecret = "known to the stage alone"

// goBuild builds a program of the repository. It leaves out the flags of a shipped program, so that what go run compiled for the caller serves
// here as well.
func goBuild(ctx context.Context, source, output string) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", output, source)
	build.Dir = cluster.Repository()
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", source, err, text)
	}
	return nil
}

// install brings in what a cluster has before its first Rollout.
func (s *Stage) install(ctx context.Context) error {
	routes, err := cluster.GatewayCRDs(ctx)
	if err != nil {
		return err
	}
	config := filepath.Join(cluster.Repository(), "config")
	if err := s.Cluster.InstallCRDs(filepath.Join(config, "crd"), routes); err != nil {
		return err
	}
	for _, name := range []string{home, gitopsv1.DefaultControlNamespace, s.options.Namespace} {
		if err := s.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return fmt.Errorf("making namespace %s: %w", name, err)
		}
	}
	if err := s.grant(ctx, config); err != nil {
		return err
	}
	s.Kubeconfig = filepath.Join(s.Dir, "kubeconfig")
	return s.writeKubeconfig(s.Kubeconfig, func(c *clientcmdapi.Config) {
		c.Contexts[c.CurrentContext].Namespace = s.options.Namespace
	})
}

// grant gives the controller its rights, and the webhooks their secret.
func (s *Stage) grant(ctx context.Context, config string) error {
	files := []string{"rbac/service_account", "rbac/controller_role", "rbac/cluster_templates_role", "rbac/leader_election_role", "rbac/notification_role"}
	if !s.options.NoGitsync {
		files = append(files, "gitops/role")
	}
	for _, file := range files {
		manifest, err := os.ReadFile(filepath.Join(config, file+".yaml"))
		if err != nil {
			return err
		}
		if err := s.ApplyIn(ctx, home, manifest); err != nil {
			return fmt.Errorf("installing %s.yaml: %w", file, err)
		}
	}
	hooks := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: gitopsv1.DefaultControlNamespace, Name: gitopsv1.SecretWebhooks},
		StringData: map[string]string{webhook.KeyGogs: hookSecret},
	}
	if err := s.Client.Create(ctx, hooks); err != nil {
		return fmt.Errorf("making the Secret of webhooks: %w", err)
	}
	return nil
}

// writeKubeconfig writes the administrator's kubeconfig with a change.
func (s *Stage) writeKubeconfig(path string, change func(*clientcmdapi.Config)) error {
	config, err := clientcmd.LoadFromFile(s.Cluster.Kubeconfig)
	if err != nil {
		return err
	}
	change(config)
	return clientcmd.WriteToFile(*config, path)
}

// startController starts the controller with a token of its service account, and so with no right that it would lack in production.
func (s *Stage) startController(ctx context.Context) error {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: controllerName}}
	token := &authenticationv1.TokenRequest{}
	if err := s.Client.SubResource("token").Create(ctx, account, token); err != nil {
		return fmt.Errorf("asking for the controller's token: %w", err)
	}
	kubeconfig := filepath.Join(s.Dir, "controller.kubeconfig")
	err := s.writeKubeconfig(kubeconfig, func(c *clientcmdapi.Config) {
		for name := range c.AuthInfos {
			c.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
		}
	})
	if err != nil {
		return err
	}
	ports, err := process.FreePorts(3)
	if err != nil {
		return err
	}
	health, metrics, hooks := fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1]), fmt.Sprintf("127.0.0.1:%d", ports[2])
	s.MetricsURL, s.HooksURL = "http://"+metrics+"/metrics", "http://"+hooks+push.Path
	command := exec.Command(filepath.Join(s.Dir, "bin", controllerName), "--kubeconfig="+kubeconfig,
		"--leader-election-namespace="+home,
		"--git-scheme=http", "--webhook-bind-address="+hooks, "--health-probe-bind-address="+health, "--metrics-bind-address="+metrics)
	if s.options.NoGitsync {
		command.Args = append(command.Args, "--gitops-namespace=")
	}
	if s.options.Poll > 0 {
		command.Args = append(command.Args, "--gitops-poll="+s.options.Poll.String())
	}
	command.Env = append(os.Environ(), "TMPDIR="+s.Dir) // its clones go with the stage, even if it is killed
	if s.Prometheus != nil {
		// Metrics that name no Prometheus use this one.
		command.Env = append(command.Env, "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS="+s.Prometheus.URL)
	}
	if s.Controller, err = process.Start(controllerName, s.Dir, command); err != nil {
		return err
	}
	if err := s.Controller.Ready(ctx, process.Answers(http.DefaultClient, "http://"+health+"/readyz")); err != nil {
		return errors.Join(err, s.Controller.End())
	}
	s.down = append(s.down, s.Controller.Stop)
	if !s.options.NoGitsync {
		s.Forge.Tell(s.HooksURL, hookSecret)
	}
	return nil
}
