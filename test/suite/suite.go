package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/controllers/application"
	destinations "github.com/sluice-delivery/sluice/gitsync/cluster"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/test/cluster"
)

// Patience is how long a test waits for something that must come true; on a busy machine everything takes its time.
const Patience = 90 * time.Second

// Start brings up what tests need besides a control plane, in a folder that goes when they are over. What it begins ends with the context.
type Start func(ctx context.Context, up *cluster.Cluster, dir string) error

// Main is a TestMain: it starts a control plane that knows our kinds and those of the Gateway API, calls start, runs the tests, and ends the process.
func Main(m *testing.M, start Start) {
	code, err := run(m, start)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M, start Start) (code int, err error) {
	ctrl.SetLogger(zap.New(zap.WriteTo(io.Discard)))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir, err := os.MkdirTemp("", "sluice-suite-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	up, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return 1, err
	}
	defer func() {
		cancel() // what start began ends before its API server does
		err = errors.Join(err, up.Stop())
	}()
	gateway, err := cluster.GatewayCRDs(ctx)
	if err != nil {
		return 1, err
	}
	if err := up.InstallCRDs(filepath.Join(cluster.Repository(), "config", "crd"), gateway); err != nil {
		return 1, err
	}
	if err := start(ctx, up, dir); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// Applications runs the loop of Applications with the rights of the administrator until ctx ends, and gives a client of the same rights. Of the
// loop's fields it sets those that connect it with the cluster.
func Applications(ctx context.Context, up *cluster.Cluster, c *application.Controller) (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), gitopsv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	config := up.Config()
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		return nil, err
	}
	admin, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	if err := admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: gitopsv1.DefaultControlNamespace}}); err != nil {
		return nil, err
	}
	c.Client, c.Namespace = kube.NewRecent(mgr.GetClient()), gitopsv1.DefaultControlNamespace
	c.Events = mgr.GetEventRecorderFor("sluice") //nolint:staticcheck // core/v1 events are what people and dashboards read
	c.Clusters = &destinations.Set{Local: config, Secrets: mgr.GetClient(), Namespace: c.Namespace, Changed: c.Changed, Context: ctx}
	if err := c.Register(mgr); err != nil {
		return nil, err
	}
	go func() {
		if err := mgr.Start(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	return admin, nil
}

// Eventually waits until a condition holds, and fails the test if that takes longer than anybody's patience.
func Eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}
