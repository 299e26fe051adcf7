package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-delivery/sluice/test/stage"
)

// patience bounds each wait.
const patience = 5 * time.Minute

// fleet releases Rollouts on a stage and sees what comes of it.
type fleet struct {
	*stage.Stage
	audit audit
	seen  *sightings
}

// app is one Rollout with its Services and its route.
type app struct {
	name     string
	replicas int
	// steps and analysis are YAML, in one line.
	steps, analysis string
}

const surroundings = `
apiVersion: v1
kind: Service
metadata: {name: NAME-stable}
spec: {selector: {app: NAME}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: NAME-canary}
spec: {selector: {app: NAME}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: NAME}
spec:
  parentRefs: [{name: public, namespace: bench}]
  hostnames: [NAME.example]
  rules:
    - backendRefs: [{name: NAME-stable, port: 80, weight: 100}, {name: NAME-canary, port: 80, weight: 0}]
`

const rollout = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: NAME}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers: [{name: app, image: "sluice.example/app:VERSION", ports: [{containerPort: 8080}]}]
  strategy:
    canary:
      stableService: NAME-stable
      canaryService: NAME-canary
      scaleDownDelaySeconds: 2
      abortScaleDownDelaySeconds: 2
      trafficRouting: {gatewayAPI: {httpRoute: NAME}}
      steps: STEPS
      ANALYSIS
`

func (a app) fill(manifest, version string) []byte {
	analysis := ""
	if a.analysis != "" {
		analysis = "analysis: " + a.analysis
	}
	return []byte(strings.NewReplacer("NAME", a.name, "REPLICAS", strconv.Itoa(a.replicas), "VERSION", version,
		"STEPS", a.steps, "ANALYSIS", analysis).Replace(manifest))
}

// release applies a version of an app.
func (f *fleet) release(ctx context.Context, a app, version string) error {
	return f.Apply(ctx, a.fill(rollout, version))
}

// create brings up apps with version v1, and returns when all are healthy.
func (f *fleet) create(ctx context.Context, apps ...app) error {
	if err := f.each(ctx, apps, func(a app) error {
		if err := f.Apply(ctx, a.fill(surroundings, "")); err != nil {
			return err
		}
		return f.release(ctx, a, "v1")
	}); err != nil {
		return err
	}
	return f.allHealthy(ctx, apps, "v1")
}

// each does something to many apps, twenty at a time.
func (f *fleet) each(ctx context.Context, apps []app, do func(app) error) error {
	group, _ := errgroup.WithContext(ctx)
	group.SetLimit(20)
	for _, a := range apps {
		group.Go(func() error { return do(a) })
	}
	return group.Wait()
}

func (f *fleet) allHealthy(ctx context.Context, apps []app, version string) error {
	return await(ctx, fmt.Sprintf("%d apps like %s are healthy with %s", len(apps), apps[0].name, version), func() bool {
		for _, a := range apps {
			if !f.seen.healthy(a.name, version) {
				return false
			}
		}
		return true
	})
}

// quiet returns when the controller has written nothing but its lease for a while.
func (f *fleet) quiet(ctx context.Context) error {
	const pause = 5 * time.Second
	return await(ctx, "the controller is quiet", func() bool {
		mark, err := f.audit.mark()
		if err != nil {
			return false
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		all, err := f.audit.since(mark)
		return err == nil && count(all, request.kind, func(r request) bool { return r.isController() && r.writes() && !r.isBeside() }).sum() == 0
	})
}

// await looks every few milliseconds whether something has become true.
func await(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !is() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("waited %s in vain until %s", patience, what)
			}
			return ctx.Err()
		}
	}
	return nil
}
