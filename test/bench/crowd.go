package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// crowded is the release that a hundred apps make at once.
const crowded = "[{setWeight: 20}, {setWeight: 50}, {setWeight: 100}]"

// crowd is what the release of many apps at once came to.
type crowd struct {
	apps   int
	took   time.Duration
	writes counts // by client
	own    float64
	alone  float64
}

func apps(from, to, replicas int) []app {
	var all []app
	for i := from; i < to; i++ {
		all = append(all, app{name: fmt.Sprintf("crowd-%d", i), replicas: replicas, steps: crowded})
	}
	return all
}

// releaseCrowd times from the first release to the last Rollout that is healthy.
func (f *fleet) releaseCrowd(ctx context.Context, r *report) error {
	all := apps(0, 100, 2)
	if err := f.create(ctx, all...); err != nil {
		return err
	}
	if err := f.quiet(ctx); err != nil {
		return err
	}
	alone, err := f.writeRate(ctx)
	if err != nil {
		return err
	}
	mark, err := f.audit.mark()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := f.each(ctx, all, func(a app) error { return f.release(ctx, a, "v2") }); err != nil {
		return err
	}
	if err := f.allHealthy(ctx, all, "v2"); err != nil {
		return err
	}
	took := time.Since(start)
	requests, err := f.audit.since(mark)
	if err != nil {
		return err
	}
	writes := count(requests, agent, request.writes)
	r.crowd = crowd{apps: len(all), took: took, writes: writes, own: float64(writes.sum()) / took.Seconds(), alone: alone}
	return nil
}

// agent names who asked, without the version.
func agent(r request) string {
	name, _, _ := strings.Cut(r.UserAgent, "/")
	return name
}

// writeRate is how many writes a second the API server takes of sixteen clients that do nothing but write one small object each.
func (f *fleet) writeRate(ctx context.Context) (float64, error) {
	const (
		writers = 16
		during  = 5 * time.Second
	)
	group, ctx := errgroup.WithContext(ctx)
	written := make([]int, writers)
	start := time.Now()
	for i := range writers {
		group.Go(func() error {
			o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("written-%d", i)}}
			if err := f.Client.Create(ctx, o); err != nil {
				return err
			}
			for time.Since(start) < during {
				patch := fmt.Sprintf(`{"data":{"at":"%d"}}`, written[i])
				if err := f.Client.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
					return err
				}
				written[i]++
			}
			return f.Client.Delete(ctx, o)
		})
	}
	err := group.Wait()
	sum := 0
	for _, n := range written {
		sum += n
	}
	return float64(sum) / time.Since(start).Seconds(), err
}

// idle is a controller that has nothing to do.
type idle struct {
	rollouts, resident int // MiB
	requests           counts
}

// idleFor is how long an idle controller is watched.
const idleFor = 30 * time.Second

// watchIdle adds Rollouts to the crowd and watches the controller after each lot. They have no pods, of which the controller keeps nothing
// in memory.
func (f *fleet) watchIdle(ctx context.Context, r *report) error {
	have := 100
	for _, want := range []int{100, 500, 1000} {
		if more := apps(have, want, 0); len(more) > 0 {
			fmt.Printf("  bringing up %d Rollouts\n", want)
			if err := f.create(ctx, more...); err != nil {
				return err
			}
		}
		have = want
		if err := f.quiet(ctx); err != nil {
			return err
		}
		mark, err := f.audit.mark()
		if err != nil {
			return err
		}
		select {
		case <-time.After(idleFor):
		case <-ctx.Done():
			return ctx.Err()
		}
		all, err := f.audit.since(mark)
		if err != nil {
			return err
		}
		resident, err := f.resident()
		if err != nil {
			return err
		}
		r.idle = append(r.idle, idle{rollouts: want, resident: resident, requests: count(all, request.kind, request.isController)})
	}
	return nil
}

// resident is the memory of the controller in MiB, as the kernel counts it.
func (f *fleet) resident() (int, error) { return memory(f.Controller.PID(), "VmRSS:") }

// memory is a field of a process's status in MiB.
func memory(pid int, field string) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), field)
	var kilobytes int
	_, err = fmt.Sscan(rest, &kilobytes)
	return kilobytes / 1024, err
}
