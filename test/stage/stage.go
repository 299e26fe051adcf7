package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/test/cluster"
	"github.com/sluice-delivery/sluice/test/forge"
	"github.com/sluice-delivery/sluice/test/process"
	"github.com/sluice-delivery/sluice/test/world"
)

// Options are the choices of a caller of Up.
type Options struct {
	// Namespace is made for what is released, and is where the kubeconfig points.
	Namespace string
	// Scrape is the time between two scrapes of Prometheus; 0 starts none.
	Scrape time.Duration
	// Audit has the API server keep the audit log that Requests reads.
	Audit bool
	World world.Options
	// NoGitsync leaves out Git-sync and its rights, so that those of releases show what they lack.
	NoGitsync bool
	// Poll is the time between two questions to a Git repository; 0 for what is usual.
	Poll time.Duration
	// Progress receives what a person who waits should read.
	Progress io.Writer
}

// Stage is what Up puts up.
type Stage struct {
	// Dir holds the programs in bin, the logs and the Kubeconfig, which is the administrator's; Down removes it.
	Dir, Kubeconfig string
	Cluster         *cluster.Cluster
	World           *world.World
	// Prometheus is nil where none was asked for.
	Prometheus *cluster.Prometheus
	// Forge serves Git repositories.
	Forge *forge.Forge
	// Controller is the running sluice-controller; MetricsURL and HooksURL are where it serves its metrics and takes webhooks.
	Controller           *process.Process
	MetricsURL, HooksURL string
	// Client is the administrator's, without a limit on requests.
	Client client.WithWatch

	options Options
	down    []func() error
}

// Up returns when the controller is ready. After an error nothing is left.
func Up(ctx context.Context, options Options) (*Stage, error) {
	if os.Getenv("USE_EXISTING_CLUSTER") == "true" {
		return nil, errors.New("nodes and a gateway are played here, which would disturb a cluster of yours: unset USE_EXISTING_CLUSTER")
	}
	s := &Stage{options: options}
	type part struct {
		doing string
		do    func(context.Context) error
	}
	parts := []part{
		{"building sluice-controller and kubectl-sluice", s.build},
		{"starting etcd and the Kubernetes control plane", s.startCluster},
		{"installing definitions and rights", s.install},
		{"starting nodes and a gateway", s.startWorld},
		{"starting a Git server", s.startForge},
	}
	if options.Scrape > 0 {
		parts = append(parts, part{"starting Prometheus", s.startPrometheus})
	}
	for _, part := range append(parts, part{"starting sluice-controller", s.startController}) {
		if err := during(options.Progress, part.doing, func() error { return part.do(ctx) }); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", part.doing, err), s.Down())
		}
	}
	return s, nil
}

// Down ends everything, the last thing first. It is an error if a program had ended by itself before.
func (s *Stage) Down() error {
	var problems []error
	for _, end := range slices.Backward(s.down) {
		problems = append(problems, end())
	}
	s.down = nil
	return errors.Join(problems...)
}

// Story is the end of what the controller and the world said, for an error.
func (s *Stage) Story() string {
	world, err := os.ReadFile(filepath.Join(s.Dir, worldLog))
	if err != nil {
		world = []byte(err.Error())
	}
	return fmt.Sprintf("%s: %s\nthe world's log ends with:\n%s", controllerName, s.Controller.Story(), process.Tail(world, 10))
}

func (s *Stage) build(ctx context.Context) error {
	var err error
	if s.Dir, err = os.MkdirTemp("", "sluice-"); err != nil {
		return err
	}
	s.down = append(s.down, func() error { return os.RemoveAll(s.Dir) })
	if err := s.keepLog(); err != nil {
		return err
	}
	for name, source := range map[string]string{"sluice-controller": "./cmd/controller", "kubectl-sluice": "./cmd/kubectl-sluice"} {
		if err := goBuild(ctx, source, filepath.Join(s.Dir, "bin", name)); err != nil {
			return err
		}
	}
	return nil
}

const worldLog = "world.log"

// keepLog sends what the Kubernetes libraries and the world have to say to a file, away from pictures on a terminal.
func (s *Stage) keepLog() error {
	file, err := os.Create(filepath.Join(s.Dir, worldLog))
	if err != nil {
		return err
	}
	s.down = append(s.down, file.Close)
	log := slog.New(slog.NewTextHandler(file, nil))
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
	klog.SetSlogLogger(log)
	if s.options.World.Kubelet.Log == nil {
		s.options.World.Kubelet.Log = log
	}
	if s.options.World.Gateway.Log == nil {
		s.options.World.Gateway.Log = log
	}
	return nil
}

func (s *Stage) startCluster(ctx context.Context) error {
	options := cluster.Options{Progress: s.options.Progress}
	if s.options.Audit {
		options.AuditLog = filepath.Join(s.Dir, "audit.log")
	}
	var err error
	if s.Cluster, err = cluster.Start(ctx, options); err != nil {
		return err
	}
	s.down = append(s.down, s.Cluster.Stop)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, gitopsv1.AddToScheme, gatewayv1.Install} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	s.Client, err = client.NewWithWatch(s.Cluster.Config(), client.Options{Scheme: scheme})
	return err
}

func (s *Stage) startWorld(ctx context.Context) error {
	// The world ends when it is its turn, not with the caller's context, so that it still serves while the controller stops.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var err error
	if s.World, err = world.Start(ctx, s.Cluster.Config(), s.options.World); err != nil {
		cancel()
		return err
	}
	s.down = append(s.down, func() error {
		cancel()
		return s.World.Wait()
	})
	return nil
}

func (s *Stage) startForge(context.Context) error {
	dir := filepath.Join(s.Dir, "git")
	err := os.Mkdir(dir, 0o755)
	if err != nil {
		return err
	}
	if s.Forge, err = forge.Start(dir); err != nil {
		return err
	}
	s.down = append(s.down, s.Forge.Stop)
	return nil
}

func (s *Stage) startPrometheus(ctx context.Context) error {
	var err error
	s.Prometheus, err = cluster.StartPrometheus(ctx, cluster.PrometheusOptions{
		TargetsURL: s.World.TargetsURL, ScrapeInterval: s.options.Scrape, Progress: s.options.Progress,
	})
	if err != nil {
		return err
	}
	s.down = append(s.down, s.Prometheus.Stop)
	return nil
}
