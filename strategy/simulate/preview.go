package simulate

import (
	"time"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// maxTurns bounds a preview: each turn ends a pause, an analysis or a delay.
const maxTurns = 1000

// Preview tells what a Rollout would do: a first deploy, and then a release in which every pod becomes available, every analysis
// succeeds and every indefinite pause is promoted. It says what would go on for how long, and ends where nothing is waited for any more.
func Preview(r *v1alpha1.Rollout, lib analysis.Library, now time.Time) string {
	s := Story{World: New(r, now)}
	s.World.Library = lib
	s.World.Rollout.Status = v1alpha1.RolloutStatus{}
	s.Tell("the first deploy")
	s.Rest()
	s.State()
	s.World.Image = "v2"
	s.World.Rollout.Generation++
	s.Tell("a new pod template, here called v2")
	s.Rest()
	s.State()
	for range maxTurns {
		if !s.turn() {
			return s.Text()
		}
		s.Rest()
		s.State()
	}
	s.Tell("the preview ends here: the release has more than %d turns", maxTurns)
	return s.Text()
}

// turn does the next thing that the release waits for; it reports whether there was any.
func (s *Story) turn() bool {
	w := s.World
	for _, run := range w.Runs {
		if !run.Status.Phase.Completed() {
			s.Tell("analysis run %s succeeds", run.Name)
			w.Judge(v1alpha1.AnalysisPhaseSuccessful, "")
			return true
		}
	}
	for _, e := range w.Experiments {
		if e.Status.Phase == v1alpha1.AnalysisPhaseRunning {
			s.Tell("experiment %s succeeds", e.Name)
			w.JudgeExperiments(v1alpha1.AnalysisPhaseSuccessful, "")
			return true
		}
	}
	if d := s.Next(); d > 0 {
		s.Tell("%s pass", d.Round(time.Second))
		w.Now = w.Now.Add(d)
		return true
	}
	if len(w.Rollout.Status.PauseConditions) > 0 {
		s.Tell("somebody promotes")
		w.Rollout.Status.PauseConditions = nil
		return true
	}
	return false
}
