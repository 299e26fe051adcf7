package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/sluice-delivery/sluice/gitsync/render"
	"github.com/sluice-delivery/sluice/gitsync/source"
	"github.com/sluice-delivery/sluice/internal/build"
)

// garbagePercent is how much the heap may grow between collections unless GOGC says otherwise: a process that mostly waits pays little for a small
// heap.
const garbagePercent = 40

func main() {
	switch {
	case render.IsChild():
		os.Exit(render.Serve(os.Stdin, os.Stdout))
	case source.IsChild():
		os.Exit(source.Serve(os.Stdin, os.Stdout))
	}
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "sluice-controller:", err)
		os.Exit(2)
	case o.version:
		fmt.Println(build.Version())
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	logTo(o, os.Stderr)
	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		fmt.Fprintln(os.Stderr, "sluice-controller:", err)
		os.Exit(1)
	}
}

// logTo sends all logs, those of the Kubernetes libraries too, to one place in one form.
func logTo(o options, out io.Writer) {
	settings := &slog.HandlerOptions{Level: o.logLevel}
	var h slog.Handler = slog.NewJSONHandler(out, settings)
	if o.logFormat == "text" {
		h = slog.NewTextHandler(out, settings)
	}
	ctrl.SetLogger(logr.FromSlogHandler(h))
	klog.SetSlogLogger(slog.New(h))
}

// run works until ctx ends, the lease is lost, or something fails that cannot be done without.
func run(ctx context.Context, o options) error {
	mgr, err := newManager(ctx, o)
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}
