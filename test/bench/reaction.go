package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/console/verb"
)

// rounds is how often each reaction is timed.
const rounds = 21

// held is a release that stays at ten percent.
const held = "[{setWeight: 10}, {pause: {}}]"

const template = `
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: judge}
spec:
  metrics:
    - name: judge
      interval: 1s
      successCondition: result[0] >= 0.95
      provider: {prometheus: {address: "ADDRESS", query: good}}
`

// judge answers like a Prometheus: good, but for one bad answer when it is told.
type judge struct {
	mu     sync.Mutex
	asked  int
	bad    bool      // the next answer
	served time.Time // of the last bad answer
}

// spoil makes the next answer a bad one.
func (j *judge) spoil() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bad = true
}

// answers counts them, and tells when the last bad one was served, and whether one is still to come.
func (j *judge) answers() (asked int, served time.Time, bad bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.asked, j.served, j.bad
}

func (j *judge) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asked++
	value := "1"
	if j.bad {
		value, j.bad, j.served = "0.5", false, time.Now()
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[%d,%q]}]}}`, time.Now().Unix(), value)
}

// timeVerdicts times from the moment at which a bad sample is served to weight 0, as a watch of the route sees it.
func (f *fleet) timeVerdicts(ctx context.Context, r *report) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	j := &judge{}
	server := &http.Server{Handler: j, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }() // it ends with Close
	defer server.Close()
	if err := f.Apply(ctx, []byte(strings.Replace(template, "ADDRESS", "http://"+listener.Addr().String(), 1))); err != nil {
		return err
	}
	a := app{name: "judged", replicas: 4, steps: held, analysis: "{templates: [{templateName: judge}]}"}
	r.verdicts, err = f.timeRounds(ctx, a, func() (time.Time, error) {
		before, _, _ := j.answers()
		if err := await(ctx, "a good sample is served", func() bool { asked, _, _ := j.answers(); return asked > before }); err != nil {
			return time.Time{}, err
		}
		j.spoil()
		err := await(ctx, "a bad sample is served", func() bool { _, _, bad := j.answers(); return !bad })
		_, served, _ := j.answers()
		return served, err
	})
	return err
}

// timeAborts times from the moment before the abort is asked for to weight 0.
func (f *fleet) timeAborts(ctx context.Context, r *report) error {
	var err error
	a := app{name: "aborted", replicas: 4, steps: held}
	r.aborts, err = f.timeRounds(ctx, a, func() (time.Time, error) {
		start := time.Now()
		_, err := verb.Abort(ctx, f.Client, client.ObjectKey{Namespace: namespace, Name: a.name})
		return start, err
	})
	return err
}

// timeRounds releases a version after the other, each up to its ten percent; trouble then makes it go back, and says since when.
func (f *fleet) timeRounds(ctx context.Context, a app, trouble func() (time.Time, error)) ([]time.Duration, error) {
	if err := f.create(ctx, a); err != nil {
		return nil, err
	}
	var took []time.Duration
	for i := range rounds {
		version := fmt.Sprintf("v%d", i+2)
		if err := f.release(ctx, a, version); err != nil {
			return nil, err
		}
		if err := await(ctx, version+" is held at 10 %", func() bool {
			g := f.seen.get(a.name)
			return f.seen.weight(a.name).canary == 10 && g.Status.ObservedGeneration == fmt.Sprint(g.Generation) && len(g.Status.PauseConditions) > 0
		}); err != nil {
			return nil, err
		}
		start, err := trouble()
		if err != nil {
			return nil, err
		}
		if err := await(ctx, version+" is at 0 % and degraded", func() bool {
			return f.seen.weight(a.name).canary == 0 && f.seen.get(a.name).Status.Phase == v1alpha1.RolloutPhaseDegraded
		}); err != nil {
			return nil, err
		}
		took = append(took, f.seen.weight(a.name).at.Sub(start))
	}
	slices.Sort(took)
	return took, f.Client.Delete(ctx, f.seen.get(a.name), client.PropagationPolicy("Background"))
}
