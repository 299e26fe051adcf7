package main

import (
	"context"
	"errors"
	"flag"
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
	flags := flag.NewFlagSet("bench", flag.ExitOnError) // libraries add flags of theirs to the common set
	only := flags.String("only", "", "measure releases or gitsync alone")
	_ = flags.Parse(os.Args[1:]) // it exits where there is something wrong
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	ctx, restore := signal.NotifyContext(ctx, syscall.SIGPIPE) // what is printed goes nowhere any more, and clearing up must not die of that
	defer restore()
	for _, suite := range []struct {
		name, file string
		measure    func(context.Context, *fleet) (markdown string, err error)
	}{
		{"releases", "benchmarks.md", measureReleases},
		{"gitsync", "benchmarks-gitsync.md", measureGitsync},
	} {
		if *only != "" && *only != suite.name {
			continue
		}
		if err := run(ctx, filepath.Join(cluster.Repository(), "docs", suite.file), suite.measure); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
}

// run measures on a stage of its own and writes what came of it.
func run(ctx context.Context, file string, measure func(context.Context, *fleet) (string, error)) (err error) {
	s, err := stage.Up(ctx, stage.Options{
		Namespace: namespace, Audit: true, Progress: os.Stdout, Poll: poll,
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
	text, err := measure(watching, f)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, s.Story())
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// part is one thing to measure.
type part[R any] struct {
	doing string
	do    func(context.Context, *R) error
}

func measureAll[R any](ctx context.Context, r *R, parts ...part[R]) error {
	for _, p := range parts {
		start := time.Now()
		fmt.Println(p.doing)
		if err := p.do(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", p.doing, err)
		}
		fmt.Printf("  done in %s\n", time.Since(start).Round(time.Second))
	}
	return nil
}

func measureReleases(ctx context.Context, f *fleet) (string, error) {
	r := &report{machine: machine()}
	err := measureAll(ctx, r,
		part[report]{"counting the writes of one release", f.countWrites},
		part[report]{"timing reactions to a bad sample", f.timeVerdicts},
		part[report]{"timing aborts", f.timeAborts},
		part[report]{"releasing a hundred at once", f.releaseCrowd},
		part[report]{"watching the controller idle", f.watchIdle},
	)
	if err != nil {
		return "", err
	}
	return r.markdown(), nil
}

func measureGitsync(ctx context.Context, f *fleet) (string, error) {
	states, err := watchApplications(ctx, f.Stage)
	if err != nil {
		return "", err
	}
	g, r := &gitsync{fleet: f, states: states}, &gitReport{machine: machine()}
	err = measureAll(ctx, r,
		part[gitReport]{"watching a hundred Applications and Rollouts idle", g.idleTogether},
		part[gitReport]{"timing pushes", g.timePushes},
		part[gitReport]{"syncing a thousand Applications", g.syncHerd},
	)
	if err != nil {
		return "", err
	}
	return r.markdown(), nil
}
