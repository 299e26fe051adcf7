package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-delivery/sluice/test/cluster"
	"github.com/sluice-delivery/sluice/test/stage"
	"github.com/sluice-delivery/sluice/test/world"
	"github.com/sluice-delivery/sluice/test/world/gateway"
	"github.com/sluice-delivery/sluice/test/world/kubelet"
)

const namespace = "bench"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	s, err := stage.Up(ctx, stage.Options{
		Namespace: namespace, Audit: true, Progress: os.Stdout,
		World: world.Options{
			Kubelet: kubelet.Options{Nodes: 20},
			Gateway: gateway.Options{Name: types.NamespacedName{Namespace: namespace, Name: "public"}},
		},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Down()) }()
	f := &fleet{Stage: s, audit: audit{path: s.Cluster.AuditLog}}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	if f.seen, err = watch(watching, s); err != nil {
		return err
	}
	r := &report{machine: machine()}
	for _, part := range []struct {
		doing string
		do    func(context.Context, *report) error
	}{
		{"counting the writes of one release", f.countWrites},
		{"timing reactions to a bad sample", f.timeVerdicts},
		{"timing aborts", f.timeAborts},
		{"releasing a hundred at once", f.releaseCrowd},
		{"watching the controller idle", f.watchIdle},
	} {
		start := time.Now()
		fmt.Println(part.doing)
		if err := part.do(ctx, r); err != nil {
			return fmt.Errorf("%s: %w\n%s", part.doing, err, s.Story())
		}
		fmt.Printf("  done in %s\n", time.Since(start).Round(time.Second))
	}
	return os.WriteFile(filepath.Join(cluster.Repository(), "docs", "benchmarks.md"), []byte(r.markdown()), 0o644)
}
