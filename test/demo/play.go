package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/test/stage"
	"github.com/sluice-delivery/sluice/test/world/load"
)

const (
	namespace     = "shop"
	name          = "shop"
	canaryService = "shop-canary"
	hostname      = "shop.example"
	rate          = 100 // requests a second
)

// patience bounds each wait; on a busy machine everything takes its time.
const patience = 45 * time.Second

// Times around a change of the route.
const (
	margin = 300 * time.Millisecond // what a request needs that is under way
	after  = 3 * time.Second        // how long is looked at what came of it
	// settling covers the end of the old pods, and the time in which Prometheus, having had new targets, is slow to take up more.
	settling = 9 * time.Second
)

// play is four releases, and what was seen of them.
type play struct {
	*history
	stage      *stage.Stage
	repository *repository
	claims     []claim

	mu     sync.Mutex
	scenes []scene
	load   *load.Driver // nil until there is somebody to answer
}

// scene is one release in the picture.
type scene struct {
	version string
	about   string // what will happen, then what did
	state   sceneState
}

type sceneState int

const (
	ahead sceneState = iota
	now
	good
	failed
)

func newPlay(s *stage.Stage, h *history, r *repository) *play {
	return &play{history: h, stage: s, repository: r, scenes: []scene{
		{version: "v1", about: "serves"},
		{version: "v2", about: "is good: 10 % of the requests, Prometheus is asked, then 50 %, then all"},
		{version: "v3-bad", about: "fails half of its requests: 10 %, Prometheus is asked, and back; the commit is held"},
		{version: "v4", about: "is good again, and goes out by itself"},
	}}
}

// run plays all releases. An error is something that was waited for in vain; what was claimed and is not so stands in the claims.
func (p *play) run(ctx context.Context) error {
	for i, scene := range []func(context.Context, string) (string, error){p.first, p.promotion, p.abort, p.mended} {
		version := p.scenes[i].version
		p.set(i, now, p.scenes[i].about)
		about, err := scene(ctx, version)
		if err != nil {
			p.set(i, failed, err.Error())
			return fmt.Errorf("releasing %s: %w", version, err)
		}
		state := good
		for _, c := range p.claims {
			if c.version == version && !c.holds {
				state, about = failed, c.text+": "+c.observed
			}
		}
		p.set(i, state, about)
		p.tell("release", bold, "%s: %s", version, about)
	}
	return nil
}

func (p *play) set(i int, state sceneState, about string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scenes[i].state, p.scenes[i].about = state, about
}

// first brings up the version that everything else is compared with.
func (p *play) first(ctx context.Context, version string) (string, error) {
	start := time.Now()
	commit, err := p.release(ctx, version)
	if err != nil {
		return "", err
	}
	if err := p.await(ctx, "the Rollout is healthy", p.healthy); err != nil {
		return "", err
	}
	took := time.Since(start)
	start = time.Now()
	if err := p.startLoad(ctx); err != nil {
		return "", err
	}
	if err := p.inStep(ctx, version, commit); err != nil {
		return "", err
	}
	served, err := p.observe(ctx, start, settling)
	p.claim(version, "serves every request", served.Share(version) == 1, "%.1f %% of %d", 100*served.Share(version), served.Sent)
	p.nothingLost(version, start)
	return fmt.Sprintf("serves every request, %.1f s after it was pushed", took.Seconds()), err
}

// startLoad sends requests from now on, for an hour at most.
func (p *play) startLoad(ctx context.Context) error {
	d, err := load.Start(ctx, load.Options{
		URL: p.stage.World.Gateway.URL, Host: hostname, Rate: rate, AtOnce: 500, For: time.Hour, Requests: rate * 3600,
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load = d
	return err
}

// promotion plays a good version to its end.
func (p *play) promotion(ctx context.Context, version string) (string, error) {
	start := time.Now()
	commit, share, err := p.firstStep(ctx, version, start)
	if err != nil {
		return "", err
	}
	if err := p.await(ctx, version+" is promoted", p.healthy); err != nil {
		return "", err
	}
	took := time.Since(start)
	if err := p.inStep(ctx, version, commit); err != nil {
		return "", err
	}
	p.patient(version, commit)
	p.judged(version, v1alpha1.AnalysisPhaseSuccessful, "goes on only after a positive verdict", start, func(canary int32) bool { return canary > 10 })
	served, err := p.observe(ctx, time.Now(), settling)
	p.claim(version, "is promoted and serves every request", served.Share(version) == 1, "%.1f %% of %d, %.1f s after it was pushed",
		100*served.Share(version), served.Sent, took.Seconds())
	p.nothingLost(version, start)
	return fmt.Sprintf("had %.1f %%, was found good, and served all after %.1f s", 100*share, took.Seconds()), err
}

// abort plays a bad version to its end.
func (p *play) abort(ctx context.Context, version string) (string, error) {
	start, before := time.Now(), "v2"
	commit, share, err := p.firstStep(ctx, version, start)
	if err != nil {
		return "", err
	}
	if err := p.await(ctx, "the update to "+version+" is aborted", aborted); err != nil {
		return "", err
	}
	isZero := func(canary int32) bool { return canary == 0 }
	p.judged(version, v1alpha1.AnalysisPhaseFailed, "goes back after a negative verdict", start, isZero)
	carried, _ := p.weightAfter(start, func(canary int32) bool { return canary > 0 })
	zero, _ := p.weightAfter(carried.at, isZero)
	bad, _ := p.load.First(func(r load.Record) bool { return r.Version == version && r.Status >= 500 })
	reaction := zero.at.Sub(bad.At.Add(bad.Took))
	p.claim(version, "is taken back by itself", reaction > 0 && reaction < 20*time.Second, "%.2f s from the first bad answer to weight 0", reaction.Seconds())
	served, err := p.observe(ctx, zero.at, after)
	p.claim(version, "leaves every request to "+before+" at once", served.Share(before) == 1, "%.1f %% of %d", 100*served.Share(before), served.Sent)
	if err != nil {
		return "", err
	}
	err = p.held(ctx, version, commit, before)
	p.nothingLost(version, start)
	return fmt.Sprintf("had %.1f %%, was found bad, and %s had all again %.1f s after the first bad answer; commit %s is held",
		100*share, before, reaction.Seconds(), short(commit)), err
}

// mended plays a good version after a bad one.
func (p *play) mended(ctx context.Context, version string) (string, error) {
	start := time.Now()
	commit, err := p.release(ctx, version)
	if err != nil {
		return "", err
	}
	if err := p.await(ctx, version+" is promoted", p.healthy); err != nil {
		return "", err
	}
	took := time.Since(start)
	err = p.inStep(ctx, version, commit)
	p.nothingLost(version, start)
	return fmt.Sprintf("went out by itself, and serves all after %.1f s", took.Seconds()), err
}

// firstStep releases a version, waits until it had its 10 % and what came of them, and returns its share of the real requests meanwhile.
func (p *play) firstStep(ctx context.Context, version string, start time.Time) (commit string, share float64, err error) {
	if commit, err = p.release(ctx, version); err != nil {
		return "", 0, err
	}
	var ten, next weight
	err = p.await(ctx, "the route holds 10 % for "+version, func(*v1alpha1.Rollout) (found bool) {
		ten, found = p.weightAfter(start, func(canary int32) bool { return canary == 10 })
		return found
	})
	if err != nil {
		return commit, 0, err
	}
	err = p.await(ctx, "a verdict on "+version+" moves the route on", func(*v1alpha1.Rollout) (found bool) {
		next, found = p.weightAfter(ten.at, func(canary int32) bool { return canary != 10 })
		return found
	})
	if err != nil {
		return commit, 0, err
	}
	window := p.load.Between(ten.at.Add(margin), next.at)
	share = window.Share(version)
	p.claim(version, "gets 10 % of the real requests at the first step", share > 0.07 && share < 0.13, "%.1f %% of %d", 100*share, window.Sent)
	return commit, share, nil
}

// healthy is true once the version that was delivered last serves alone.
func (p *play) healthy(r *v1alpha1.Rollout) bool {
	return r.Status.ObservedGeneration == fmt.Sprint(r.Generation) && r.Status.Phase == v1alpha1.RolloutPhaseHealthy &&
		r.Status.StableRS == r.Status.CurrentPodHash
}

func aborted(r *v1alpha1.Rollout) bool {
	return r.Status.Abort && r.Status.Phase == v1alpha1.RolloutPhaseDegraded
}

// observe counts the requests of a while, from a little after a moment on.
func (p *play) observe(ctx context.Context, from time.Time, long time.Duration) (load.Summary, error) {
	from = from.Add(margin)
	to := from.Add(long)
	select {
	case <-ctx.Done():
		return load.Summary{}, context.Cause(ctx)
	case <-time.After(time.Until(to.Add(margin))):
	}
	return p.load.Between(from, to), nil
}

// await waits until the Rollout is as wanted, no longer than patience, and not for a controller that has ended.
func (p *play) await(ctx context.Context, what string, done func(*v1alpha1.Rollout) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("waited %s in vain", patience))
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	r := &v1alpha1.Rollout{}
	for {
		err := p.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, r)
		if err == nil && done(r) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-p.stage.Controller.Ended():
			return fmt.Errorf("waiting until %s: the controller ended", what)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return context.Cause(ctx)
			}
			return fmt.Errorf("waiting until %s: %w; the Rollout is %s; the Application is %s (%s)", what, context.Cause(ctx), describe(r), p.said(), p.said().message)
		}
	}
}

// describe tells where a Rollout stands.
func describe(r *v1alpha1.Rollout) string {
	var conditions []string
	for _, c := range r.Status.Conditions {
		conditions = append(conditions, fmt.Sprintf("%s=%s (%s)", c.Type, c.Status, c.Message))
	}
	return fmt.Sprintf("%s (%s), with %s", r.Status.Phase, r.Status.Message, strings.Join(conditions, ", "))
}
