package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// state is what the Application said at a moment.
type state struct {
	at     time.Time
	commit string
	sync   gitopsv1.SyncStatusCode
	health gitopsv1.HealthCode
	// message is the reason of the health, operation when the last sync began.
	message, operation string
}

// manifest is what the Rollout asked for from a moment on.
type manifest struct {
	at    time.Time
	image string
}

func (h *history) application(a *gitopsv1.Application) {
	s := state{at: time.Now(), commit: a.Status.Sync.Revision, sync: a.Status.Sync.Status, health: a.Status.Health.Status, message: a.Status.Health.Message}
	if o := a.Status.OperationState; o != nil {
		s.operation = o.StartedAt.String()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.sync == "" {
		return // nothing was looked at yet
	}
	var last state
	if len(h.states) > 0 {
		last = h.states[len(h.states)-1]
	}
	h.states = append(h.states, s)
	if last.commit == s.commit && last.sync == s.sync && last.health == s.health {
		return
	}
	tone := map[gitopsv1.HealthCode]string{gitopsv1.HealthHealthy: green, gitopsv1.HealthDegraded: red}[s.health]
	text := fmt.Sprintf("%s is %s and %s", short(s.commit), s.sync, s.health)
	if s.health == gitopsv1.HealthDegraded {
		text += ": " + s.message
	}
	h.add("git-sync", tone, text)
}

func (h *history) rollout(r *v1alpha1.Rollout) {
	var template corev1.PodTemplateSpec
	if json.Unmarshal(r.Spec.Template.Raw, &template) != nil || len(template.Spec.Containers) == 0 {
		return // the API server knows what it lets in
	}
	image := template.Spec.Containers[0].Image
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.asked); n == 0 || h.asked[n-1].image != image {
		h.asked = append(h.asked, manifest{time.Now(), image})
		h.add("rollout", bold, "asks for "+image)
	}
}

// askedAfter lists the images that the Rollout asked for from a moment on.
func (h *history) askedAfter(from time.Time) []manifest {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.asked, func(m manifest) bool { return !m.at.Before(from) })
	if i < 0 {
		return nil
	}
	return slices.Clone(h.asked[i:])
}

// statesOf lists what the Application said about a commit once it was in sync with it.
func (h *history) statesOf(commit string) []state {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.states, func(s state) bool { return s.commit == commit && s.sync == gitopsv1.SyncSynced })
	if i < 0 {
		return nil
	}
	return slices.Clone(h.states[i:])
}

// said is what the Application said last.
func (h *history) said() state {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.states) == 0 {
		return state{}
	}
	return h.states[len(h.states)-1]
}

func (s state) String() string {
	if s.sync == "" {
		return "nothing yet"
	}
	return fmt.Sprintf("%s, %s, commit %s", s.sync, s.health, short(s.commit))
}
