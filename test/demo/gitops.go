package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/console/verb"
)

const (
	// soon is how long a push may take to reach the cluster; it is a fraction of it on a machine that has nothing else to do.
	soon = 10 * time.Second
	// held is how long nothing may touch a Rollout whose commit was rejected, after somebody has undone it in the cluster.
	heldFor = 4 * time.Second
)

// release pushes a version and waits until the Rollout asks for it.
func (p *play) release(ctx context.Context, version string) (commit string, err error) {
	commit, pushed, err := p.repository.push(ctx, version)
	if err != nil {
		return "", err
	}
	p.tell("git push", bold, "%s Release %s", short(commit), version)
	if version == p.scenes[0].version {
		if err := p.repository.point(ctx); err != nil {
			return "", err
		}
	}
	var asked []manifest
	err = p.await(ctx, "the Rollout asks for "+version, func(*v1alpha1.Rollout) bool {
		asked = p.askedAfter(pushed)
		return len(asked) > 0 && asked[0].image == imageName+version
	})
	if err != nil {
		return "", err
	}
	took := asked[0].at.Sub(pushed)
	p.claim(version, "is applied after the push by itself", took < soon, "%.2f s after it", took.Seconds())
	return commit, nil
}

// inStep waits until the Application says that a commit is there and well.
func (p *play) inStep(ctx context.Context, version, commit string) error {
	err := p.await(ctx, "the Application says that "+version+" is healthy", func(*v1alpha1.Rollout) bool {
		s := p.said()
		return s.commit == commit && s.sync == gitopsv1.SyncSynced && s.health == gitopsv1.HealthHealthy
	})
	p.claim(version, "ends with an Application that is Synced and Healthy", err == nil, "%s", p.said())
	return err
}

// patient claims that the Application was not called healthy while the canary had a share still, and in sync all the time.
func (p *play) patient(version, commit string) {
	var seen []string
	holds := true
	carried := p.lastCarried()
	for _, s := range p.statesOf(commit) {
		early := s.health == gitopsv1.HealthHealthy && s.at.Before(carried)
		holds = holds && s.sync == gitopsv1.SyncSynced && s.health != gitopsv1.HealthDegraded && !early
		if text := string(s.health); len(seen) == 0 || seen[len(seen)-1] != text {
			seen = append(seen, text)
		}
	}
	p.claim(version, "is Synced all the time, and Healthy only at the end", holds && len(seen) > 1, "Synced; %s", strings.Join(seen, ", then "))
}

// held claims that a rejected commit is told, and that nothing applies it again, not even when somebody undoes it in the cluster and self-heal is on.
func (p *play) held(ctx context.Context, version, commit, before string) error {
	err := p.await(ctx, "the Application says that the commit is held", func(*v1alpha1.Rollout) bool { return p.holds(commit) })
	p.claim(version, "makes the Application Degraded, which names the commit and the reason", err == nil, "%s", cut(p.said().message, 80))
	if err != nil {
		return err
	}
	operation, start := p.said().operation, time.Now()
	said, err := verb.Undo(ctx, p.stage.Client, client.ObjectKey{Namespace: namespace, Name: name}, 0)
	if err != nil {
		return fmt.Errorf("undoing %s in the cluster: %w", version, err)
	}
	p.tell("kubectl", bold, "sluice undo: %s", said)
	if err := p.await(ctx, before+" is what the Rollout asks for", p.healthy); err != nil {
		return err
	}
	if err := p.repository.call(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(heldFor):
	}
	var images []string
	for _, m := range p.askedAfter(start) {
		images = append(images, strings.TrimPrefix(m.image, imageName))
	}
	last := p.said()
	p.claim(version, "is not applied again, though it was undone by hand and self-heal is on",
		slices.Equal(images, []string{before}) && p.holds(commit) && last.operation == operation,
		"%.0f s later the Rollout asks for %s; Application %s", time.Since(start).Seconds(), strings.Join(images, ", then "), last)
	return nil
}

// holds tells whether the Application says that a commit is held.
func (p *play) holds(commit string) bool {
	s := p.said()
	return s.commit == commit && s.health == gitopsv1.HealthDegraded && strings.Contains(s.message, "Commit "+short(commit)+" is held")
}
