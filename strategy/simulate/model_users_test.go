package simulate_test

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// actions are all that can happen. What drives a release on has several names, so that walks come far enough to see its end.
func (m *model) actions() map[string]func(*rapid.T) {
	acts := map[string]func(*rapid.T){
		"a new image":       m.newImage,
		"back to stable":    m.backToStable,
		"other steps":       m.otherSteps,
		"other replicas":    m.otherReplicas,
		"autoscaler":        m.autoscale,
		"other options":     m.otherOptions,
		"other strategy":    m.otherStrategy,
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
		"break a route":     m.breakRoute,
		"mend the routes":   func(*rapid.T) { m.mendRoutes() },
		"delete a Service":  m.deleteService,
		"make it again":     func(*rapid.T) { m.makeServices() },
		"edit the workload": m.editWorkload,
		"delete a set":      m.deleteSet,
		"delete a run":      m.deleteRun,
		"lose the status":   m.loseStatus,
		"some pods come":    m.somePodsCome,
		"some pods die":     m.somePodsDie,
		"a verdict":         m.verdict,
		"a measurement":     m.measurement,
		"a trial's verdict": m.experimentVerdict,
		"a trial's pods":    m.experimentDies,
		"delete a trial":    m.deleteExperiment,
		"terminate a trial": m.terminateExperiment,
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
func (m *model) edit(what ...any) {
	m.edited().Generation++
	m.touch("rollout")
	m.changed(append([]any{"user: "}, what...)...)
}

// command changes the status, as clients do.
func (m *model) command(what string, change func(*v1alpha1.RolloutStatus)) {
	change(&m.edited().Status)
	m.touch("rollout")
	m.changed("user: ", what)
}

// meddle is done by others to what the controller manages.
func (m *model) meddle(what string, objects ...string) {
	m.meddled++
	m.outside++
	m.touch(objects...)
	m.changed(what)
}

func (m *model) newImage(t *rapid.T) {
	m.w.Image = rapid.SampledFrom(images).Draw(t, "image")
	m.edit("image ", m.w.Image)
}

func (m *model) backToStable(t *rapid.T) {
	if m.w.Rollout.Status.StableRS == "" {
		t.Skip()
	}
	m.w.Image = m.w.Rollout.Status.StableRS
	m.edit("image back to ", m.w.Image)
}

func (m *model) otherSteps(t *rapid.T) {
	if m.w.Rollout.Spec.Strategy.Canary == nil {
		t.Skip()
	}
	r := m.edited()
	r.Spec.Strategy.Canary.Steps = drawSteps(t, r)
	m.edit("steps ", specText(r))
}

func (m *model) otherReplicas(t *rapid.T) {
	m.edited().Spec.Replicas = drawReplicas(t)
	m.edit("replicas")
}

// autoscale is what an autoscaler does now.
func (m *model) autoscale(t *rapid.T) {
	n := m.recommended(rapid.Int32Range(1, 200).Draw(t, "load"), rapid.Bool().Draw(t, "by status"))
	m.edited().Spec.Replicas = &n
	m.edit("autoscaler")
}

// otherOptions edits what the strategy says besides its steps. Who has not seen it does not know the Services that it may name.
func (m *model) otherOptions(t *rapid.T) {
	r := m.edited()
	if c := r.Spec.Strategy.Canary; c != nil {
		drawFences(t, c)
	} else {
		drawColors(t, r.Spec.Strategy.BlueGreen)
		m.outside++
	}
	m.edit("options ", specText(r))
}

// otherStrategy puts another strategy in the place of a live one. What is routed by the old one is known to nobody who has not seen the new one.
func (m *model) otherStrategy(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "now") > 0 {
		t.Skip()
	}
	r := m.edited()
	drawStrategy(t, r)
	m.outside++
	m.edit("strategy ", specText(r))
}

func (m *model) noopEdit(*rapid.T) { m.edit("nothing new") }

func (m *model) togglePaused(*rapid.T) {
	r := m.edited()
	r.Spec.Paused = !r.Spec.Paused
	m.edit("paused")
}

func (m *model) abort(*rapid.T) {
	m.command("abort", func(s *v1alpha1.RolloutStatus) { s.Abort = true })
}

func (m *model) retry(t *rapid.T) {
	if !m.w.Rollout.Status.Abort {
		t.Skip()
	}
	m.command("retry", func(s *v1alpha1.RolloutStatus) { s.Abort = false })
}

func (m *model) resume(t *rapid.T) {
	if len(m.w.Rollout.Status.PauseConditions) == 0 {
		t.Skip()
	}
	m.command("promote", func(s *v1alpha1.RolloutStatus) { s.PauseConditions = nil })
}

func (m *model) skipStep(t *rapid.T) {
	s, c := &m.w.Rollout.Status, m.w.Rollout.Spec.Strategy.Canary
	if c == nil || s.CurrentStepIndex == nil || int(*s.CurrentStepIndex) >= len(c.Steps) {
		t.Skip()
	}
	m.command("promote past a step", func(s *v1alpha1.RolloutStatus) {
		s.PauseConditions, s.CurrentStepIndex = nil, ptr.To(*s.CurrentStepIndex+1)
	})
}

func (m *model) promoteFull(*rapid.T) {
	m.command("promote in full", func(s *v1alpha1.RolloutStatus) { s.PromoteFull = true })
}

func (m *model) restart(t *rapid.T) {
	at := metav1.NewTime(m.w.Now.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "from now")) * 20 * time.Second))
	m.edited().Spec.RestartAt = &at
	m.edit("restart at ", at.Format("15:04:05"))
}

func (m *model) toggleInvalid(*rapid.T) {
	if m.w.Invalid == "" {
		m.w.Invalid = "spec.strategy: nothing of this is known"
	} else {
		m.w.Invalid = ""
	}
	m.edit("invalid")
}

// editRoute writes a weight, or removes or garbles managed routes.
func (m *model) editRoute(t *rapid.T) {
	if !m.w.Routed() {
		t.Skip()
	}
	managed := m.w.Managed
	switch {
	case len(managed.Headers) > 0 && rapid.Bool().Draw(t, "a header route"):
		managed.Headers = slices.Clone(managed.Headers)
		managed.Headers[0].Match = nil
		if rapid.Bool().Draw(t, "remove") {
			managed.Headers = managed.Headers[1:]
		}
	case len(managed.Mirrors) > 0 && rapid.Bool().Draw(t, "a mirror route"):
		managed.Mirrors = managed.Mirrors[1:]
	default:
		full := v1alpha1.MaxTrafficWeight(m.w.Rollout)
		m.w.HeldOf = full
		m.w.Held = rapid.SampledFrom([]int32{0, 1, full / 2, full}).Draw(t, "by hand")
	}
	m.w.Managed, m.w.Confirmed = managed, false
	m.meddle("somebody edits the route", "route")
}

func (m *model) editService(t *rapid.T) {
	if len(m.w.Services) == 0 {
		t.Skip()
	}
	name := rapid.SampledFrom(services).Draw(t, "service")
	s := m.w.Services[name]
	if s == nil {
		t.Skip()
	}
	s.Hash = rapid.SampledFrom(append([]string{"", "gone"}, images...)).Draw(t, "selects")
	s.Managed = s.Hash != ""
	m.meddle("somebody edits a Service", "service/"+name)
}

// editWorkload changes the template of the workload, which is that of the Rollout, or its size.
func (m *model) editWorkload(t *rapid.T) {
	w := m.w.Workload
	if w == nil {
		t.Skip()
	}
	w.Generation++
	if rapid.Bool().Draw(t, "its template") {
		m.touch("workload")
		m.newImage(t)
		return
	}
	n := rapid.Int32Range(0, 5).Draw(t, "its replicas")
	w.Replicas, w.Available = &n, min(w.Available, n)
	m.meddle(fmt.Sprintf("somebody scales the workload to %d", n), "workload")
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
	m.w.Runs = slices.Delete(slices.Clone(m.w.Runs), i, i+1)
	m.forgetGone()
	m.meddle("somebody deletes a run")
}

func (m *model) loseStatus(*rapid.T) {
	m.edited().Status = v1alpha1.RolloutStatus{}
	m.dropForgotten()
	m.meddle("the status is lost", "rollout", "route")
}
