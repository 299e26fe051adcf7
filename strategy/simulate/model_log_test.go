package simulate_test

import (
	"fmt"
	"strings"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// entry is a line of the log, written out only if somebody has to read it.
type entry struct {
	what []any
	at   *shot
}

func (e entry) String() string {
	text := fmt.Sprint(e.what...)
	if e.at == nil {
		return text
	}
	return text + "  [" + e.at.digest() + "]"
}

// digest is the world in one line.
func (s *shot) digest() string {
	var b strings.Builder
	fmt.Fprintf(&b, "R=%d", replicasOf(s.Rollout))
	for _, set := range s.Revisions {
		fmt.Fprintf(&b, " %s:%d/%d", set.Hash, set.Available, set.Spec)
		if set.Deadline != nil {
			fmt.Fprintf(&b, "(until %s)", set.Deadline.Format("04:05"))
		}
	}
	if s.Workload != nil {
		fmt.Fprintf(&b, " workload:%d", s.Lent)
	}
	if s.Routed {
		fmt.Fprintf(&b, " held=%d data=%d", s.routes.Held, s.Weight)
		fmt.Fprintf(&b, " managed=%d%d extra=%d", len(s.Traffic.Headers), len(s.Traffic.Mirrors), len(s.Traffic.Extra))
	}
	for _, service := range []string{s.Stable.Name, s.Canary.Name} {
		if service != "" {
			fmt.Fprintf(&b, " %s", service)
		}
	}
	fmt.Fprintf(&b, "→%q,%q", s.Stable.Hash, s.Canary.Hash)
	s.digestStatus(&b)
	for _, run := range s.Runs {
		fmt.Fprintf(&b, " %s=%s", run.Name, run.Status.Phase)
	}
	for _, e := range s.Experiments {
		_, marked := e.Annotations[v1alpha1.AnnotationExperimentWeights]
		fmt.Fprintf(&b, " %s=%s marked=%t", e.Name, e.Status.Phase, marked)
	}
	for _, share := range s.Reached {
		fmt.Fprintf(&b, " reached:%s=%d", share.Service, share.Weight)
	}
	return b.String()
}

func (s *shot) digestStatus(b *strings.Builder) {
	status := &s.Rollout.Status
	step := int32(-1)
	if status.CurrentStepIndex != nil {
		step = *status.CurrentStepIndex
	}
	fmt.Fprintf(b, " step=%d cur=%s stable=%s", step, status.CurrentPodHash, status.StableRS)
	for _, flag := range []struct {
		name string
		on   bool
	}{
		{"abort", status.Abort}, {"full", status.PromoteFull}, {"pausing", len(status.PauseConditions) > 0}, {"user-paused", s.Rollout.Spec.Paused},
		{"checkpoint", status.BlueGreen.ScaleUpPreviewCheckPoint}, {"invalid", s.Invalid != ""}, {"unconfirmed", s.Routed && s.routes.Reports && !s.routes.Confirmed},
	} {
		if flag.on {
			b.WriteString(" " + flag.name)
		}
	}
}

func replicasOf(r *v1alpha1.Rollout) int32 { return v1alpha1.Replicas(r) }
