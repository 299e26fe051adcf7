package simulate_test

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

// actions are all that can happen. What drives a release on has several names, so that walks come far enough to see its end.
func (m *model) actions() map[string]func(*rapid.T) {
	acts := map[string]func(*rapid.T){
		"a new image":       m.newImage,
		"back to stable":    m.backToStable,
		"other steps":       m.otherSteps,
		"other replicas":    m.otherReplicas,
		"autoscaler":        m.autoscale,
		"other fences":      m.otherFences,
		"no-op edit":        m.noopEdit,
		"toggle paused":     m.togglePaused,
		"abort":             m.abort,
		"retry":             m.retry,
		"resume":            m.resume,
		"skip a step":       m.skipStep,
		"promote in full":   m.promoteFull,
		"restart":           m.restart,
		"toggle invalid":    m.toggleInvalid,
		"edit the route":    m.editRoute,
		"edit a Service":    m.editService,
		"delete a set":      m.deleteSet,
		"delete a run":      m.deleteRun,
		"lose the status":   m.loseStatus,
		"some pods come":    m.somePodsCome,
		"some pods die":     m.somePodsDie,
		"a verdict":         m.verdict,
		"a measurement":     m.measurement,
		"toggle reports":    m.toggleReports,
		"a late write":      m.landLate,
		"a deposed leader":  func(*rapid.T) { m.pass(m.deposed()) },
		"a lagging pass":    func(*rapid.T) { m.pass(m.lagging()) },
		"time":              m.passTime,
		"the gateway":       func(*rapid.T) { m.program() },
		"look into futures": m.lookAhead,
	}
	for _, n := range []string{"", " again", " once more"} {
		acts["a pass"+n] = func(*rapid.T) { m.pass(m.fresh()) }
		acts["settle"+n] = func(*rapid.T) { m.settle() }
		acts["all pods come"+n] = func(*rapid.T) { m.podsCome() }
		acts["all goes well"+n] = func(*rapid.T) { m.goesWell() }
	}
	return acts
}

// edit changes the spec.
func (m *model) edit(what string) {
	m.w.Rollout.Generation++
	m.touch("rollout")
	m.changed("user: " + what)
}

// command changes the status, as clients do.
func (m *model) command(what string) {
	m.touch("rollout")
	m.changed("user: " + what)
}

// meddle is done by others to what the controller manages.
func (m *model) meddle(what string, objects ...string) {
	m.outside++
	m.touch(objects...)
	m.changed(what)
}

func (m *model) newImage(t *rapid.T) {
	m.w.Image = rapid.SampledFrom(images).Draw(t, "image")
	m.edit("image " + m.w.Image)
}

func (m *model) backToStable(t *rapid.T) {
	if m.w.Rollout.Status.StableRS == "" {
		t.Skip()
	}
	m.w.Image = m.w.Rollout.Status.StableRS
	m.edit("image back to " + m.w.Image)
}

func (m *model) otherSteps(t *rapid.T) {
	r := m.w.Rollout
	r.Spec.Strategy.Canary.Steps = drawSteps(t, m.w.Routed, v1alpha1.MaxTrafficWeight(r))
	m.edit("steps " + specText(r))
}

func (m *model) otherReplicas(t *rapid.T) {
	m.w.Rollout.Spec.Replicas = drawReplicas(t)
	m.edit("replicas")
}

// autoscale is what an autoscaler does now.
func (m *model) autoscale(t *rapid.T) {
	n := m.recommended(rapid.Int32Range(1, 200).Draw(t, "load"), rapid.Bool().Draw(t, "by status"))
	m.w.Rollout.Spec.Replicas = &n
	m.edit("autoscaler")
}

func (m *model) otherFences(t *rapid.T) {
	drawFences(t, m.w.Rollout.Spec.Strategy.Canary)
	m.edit("fences")
}

func (m *model) noopEdit(*rapid.T) { m.edit("nothing new") }

func (m *model) togglePaused(*rapid.T) {
	m.w.Rollout.Spec.Paused = !m.w.Rollout.Spec.Paused
	m.edit("paused")
}

func (m *model) abort(*rapid.T) {
	m.w.Rollout.Status.Abort = true
	m.command("abort")
}

func (m *model) retry(t *rapid.T) {
	if !m.w.Rollout.Status.Abort {
		t.Skip()
	}
	m.w.Rollout.Status.Abort = false
	m.command("retry")
}

func (m *model) resume(t *rapid.T) {
	if len(m.w.Rollout.Status.PauseConditions) == 0 {
		t.Skip()
	}
	m.w.Rollout.Status.PauseConditions = nil
	m.command("promote")
}

func (m *model) skipStep(t *rapid.T) {
	s := &m.w.Rollout.Status
	if s.CurrentStepIndex == nil || int(*s.CurrentStepIndex) >= len(m.w.Rollout.Spec.Strategy.Canary.Steps) {
		t.Skip()
	}
	s.PauseConditions, s.CurrentStepIndex = nil, ptr.To(*s.CurrentStepIndex+1)
	m.command("promote past a step")
}

func (m *model) promoteFull(*rapid.T) {
	m.w.Rollout.Status.PromoteFull = true
	m.command("promote in full")
}

func (m *model) restart(t *rapid.T) {
	at := metav1.NewTime(m.w.Now.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "from now")) * 20 * time.Second))
	m.w.Rollout.Spec.RestartAt = &at
	m.edit("restart at " + at.Format("15:04:05"))
}

func (m *model) toggleInvalid(*rapid.T) {
	if m.w.Invalid == "" {
		m.w.Invalid = "spec.strategy: nothing of this is known"
	} else {
		m.w.Invalid = ""
	}
	m.edit("invalid")
}

func (m *model) editRoute(t *rapid.T) {
	if !m.w.Routed {
		t.Skip()
	}
	full := v1alpha1.MaxTrafficWeight(m.w.Rollout)
	m.w.Held, m.w.Confirmed = rapid.SampledFrom([]int32{0, 1, full / 2, full}).Draw(t, "by hand"), false
	m.meddle("somebody edits the route", "route")
}

func (m *model) editService(t *rapid.T) {
	if len(m.w.Services) == 0 {
		t.Skip()
	}
	name := rapid.SampledFrom([]string{"canary", "stable"}).Draw(t, "service")
	s := m.w.Services[name]
	if s == nil {
		t.Skip()
	}
	s.Hash = rapid.SampledFrom(append([]string{"", "gone"}, images...)).Draw(t, "selects")
	s.Managed = s.Hash != ""
	m.meddle("somebody edits a Service", "service/"+name)
}

func (m *model) deleteSet(t *rapid.T) {
	if len(m.w.Sets) == 0 {
		t.Skip()
	}
	i := rapid.IntRange(0, len(m.w.Sets)-1).Draw(t, "set")
	name := m.w.Sets[i].Name
	m.w.Sets = slices.Delete(m.w.Sets, i, i+1)
	m.forgetGone()
	m.meddle("somebody deletes ReplicaSet " + name)
}

func (m *model) deleteRun(t *rapid.T) {
	if len(m.w.Runs) == 0 {
		t.Skip()
	}
	i := rapid.IntRange(0, len(m.w.Runs)-1).Draw(t, "run")
	m.w.Runs = slices.Delete(m.w.Runs, i, i+1)
	m.forgetGone()
	m.meddle("somebody deletes a run")
}

func (m *model) loseStatus(*rapid.T) {
	m.w.Rollout.Status = v1alpha1.RolloutStatus{}
	m.meddle("the status is lost", "rollout")
}

func (m *model) somePodsCome(t *rapid.T) {
	m.somePods(t, "%d pods of %s become available", func(s *strategy.Revision) (int32, int32) { return s.Available, s.Replicas })
}

func (m *model) somePodsDie(t *rapid.T) {
	m.outside++
	m.somePods(t, "only %d pods of %s stay available", func(s *strategy.Revision) (int32, int32) { return 0, s.Available })
}

func (m *model) somePods(t *rapid.T, text string, bounds func(*strategy.Revision) (int32, int32)) {
	if len(m.w.Sets) == 0 {
		t.Skip()
	}
	set := rapid.SampledFrom(m.w.Sets).Draw(t, "pods of")
	low, high := bounds(set)
	set.Available = rapid.Int32Range(low, high).Draw(t, "available")
	set.Ready = set.Available
	m.touch("set/" + set.Name)
	m.changed(fmt.Sprintf(text, set.Available, set.Hash))
}

// podsCome makes every pod available, but for those of the named revisions.
func (m *model) podsCome(but ...string) {
	for _, s := range m.w.Sets {
		if s.Available < s.Replicas && !slices.Contains(but, s.Hash) {
			s.Ready, s.Available = s.Replicas, s.Replicas
			m.touch("set/" + s.Name)
		}
	}
	m.changed("pods are available")
}

func (m *model) program() {
	m.w.Program()
	m.touch("route")
	m.changed("the gateway has followed")
}

func (m *model) toggleReports(t *rapid.T) {
	if !m.w.Routed {
		t.Skip()
	}
	m.w.Reports = !m.w.Reports
	m.meddle("reports", "route")
}

func (m *model) verdict(t *rapid.T) {
	phase := rapid.SampledFrom([]v1alpha1.AnalysisPhase{
		v1alpha1.AnalysisPhaseRunning, v1alpha1.AnalysisPhaseSuccessful, v1alpha1.AnalysisPhaseFailed,
		v1alpha1.AnalysisPhaseError, v1alpha1.AnalysisPhaseInconclusive,
	}).Draw(t, "verdict")
	m.judge(phase)
}

func (m *model) judge(phase v1alpha1.AnalysisPhase) {
	m.w.Judge(phase, "")
	m.touchRuns()
	m.changed("verdict " + string(phase))
}

// measurement lets unfinished runs find something, good or not.
func (m *model) measurement(t *rapid.T) {
	good := rapid.Int32Range(0, 1).Draw(t, "good")
	for i := range m.w.Runs {
		if run := &m.w.Runs[i]; !run.Status.Phase.Completed() {
			run.Status.Phase = v1alpha1.AnalysisPhaseRunning
			run.Status.MetricResults = []v1alpha1.MetricResult{{Name: "good", Count: 1, Successful: good}}
		}
	}
	m.touchRuns()
	m.changed("a measurement")
}

func (m *model) touchRuns() {
	for i := range m.w.Runs {
		m.touch("run/" + m.w.Runs[i].Name)
	}
}

func (m *model) passTime(t *rapid.T) {
	seconds := rapid.SampledFrom([]int{1, 9, 11, 31, 61, 601}).Draw(t, "seconds")
	m.wait(time.Duration(seconds) * time.Second)
}

func (m *model) wait(d time.Duration) {
	m.w.Now = m.w.Now.Add(d)
	m.changed("time passes: " + d.String())
}

// goesWell drives a release on by one round.
func (m *model) goesWell() {
	m.rest()
	m.judge(v1alpha1.AnalysisPhaseSuccessful)
	if s := &m.w.Rollout.Status; len(s.PauseConditions) > 0 {
		s.PauseConditions = nil
		m.command("promote")
	}
	m.rest()
	m.wait(time.Second + strategy.Decide(m.now().Observation).After)
}

// landLate lets a write arrive whose author is gone.
func (m *model) landLate(t *rapid.T) {
	if len(m.late) == 0 {
		t.Skip()
	}
	l := m.late[0]
	m.late = m.late[1:]
	m.land(l.seen, l.decision, l.write, l.object)
}

// recommended is the number of replicas that an autoscaler asks for under a load for which one pod suffices per ten units.
// By status it measures the load per pod against scale.status.replicas (an external metric with averageValue),
// otherwise per ready pod (utilization); within a tenth of the target it leaves things as they are.
func (m *model) recommended(load int32, byStatus bool) int32 {
	const target, most = 10, 20
	r := m.w.Rollout
	pods, kept := r.Status.ReadyReplicas, replicasOf(r)
	if byStatus {
		pods, kept = r.Status.HPAReplicas, r.Status.HPAReplicas
	}
	n := (load + target - 1) / target
	if pods > 0 && 10*load >= 9*target*pods && 10*load <= 11*target*pods {
		n = kept
	}
	return min(max(n, 1), most)
}

func replicasOf(r *v1alpha1.Rollout) int32 { return v1alpha1.Replicas(r) }

// syncPods lets the single pods, which a restart looks at, follow the counts of their ReplicaSets.
func (m *model) syncPods() {
	var pods []strategy.Pod
	for _, s := range m.w.Sets {
		own := slices.DeleteFunc(slices.Clone(m.w.Pods), func(p strategy.Pod) bool { return p.Hash != s.Hash })
		slices.SortStableFunc(own, func(a, b strategy.Pod) int { // those that stay come first
			switch {
			case a.Available == b.Available:
				return a.Created.Compare(b.Created)
			case a.Available:
				return -1
			}
			return 1
		})
		own = own[:min(len(own), int(s.Replicas))]
		for len(own) < int(s.Replicas) {
			m.clock++
			own = append(own, strategy.Pod{Name: fmt.Sprintf("%s-%d", s.Name, m.clock), Hash: s.Hash, Created: m.w.Now})
		}
		for i := range own {
			own[i].Available = i < int(s.Available)
		}
		pods = append(pods, own...)
	}
	slices.SortStableFunc(pods, func(a, b strategy.Pod) int { return a.Created.Compare(b.Created) })
	m.w.Pods = pods
}
