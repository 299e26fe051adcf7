package simulate_test

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
)

func (m *model) somePodsCome(t *rapid.T) {
	m.somePods(t, "pods become available: ", func(s *strategy.Revision) (int32, int32) { return s.Available, s.Replicas })
}

func (m *model) somePodsDie(t *rapid.T) {
	m.meddled++
	m.outside++
	m.somePods(t, "pods die, and available stay: ", func(s *strategy.Revision) (int32, int32) { return 0, s.Available })
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
	m.changed(text, set.Hash, " ", set.Available)
}

// podsCome makes every pod available, but for those of the named revisions.
func (m *model) podsCome(but ...string) {
	for _, s := range m.w.Sets {
		if s.Available < s.Replicas && !slices.Contains(but, s.Hash) {
			s.Ready, s.Available = s.Replicas, s.Replicas
			m.touch("set/" + s.Name)
		}
	}
	if w := m.w.Workload; w != nil && w.Available < *w.Replicas {
		w.Available = *w.Replicas
		m.touch("workload")
	}
	m.experimentsBegin()
	m.changed("pods are available")
}

func (m *model) program() {
	m.w.Program()
	m.touch("route")
	m.changed("the gateway has followed")
}

func (m *model) toggleReports(t *rapid.T) {
	if !m.w.Routed() {
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
	m.changed("verdict ", phase)
}

// measurement lets unfinished runs find something, good or not.
func (m *model) measurement(t *rapid.T) {
	good := rapid.Int32Range(0, 1).Draw(t, "good")
	m.w.Runs = slices.Clone(m.w.Runs)
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
	m.changed("time passes: ", d)
}

// goesWell drives a release on by one round.
func (m *model) goesWell() {
	m.rest()
	m.judge(v1alpha1.AnalysisPhaseSuccessful)
	m.judgeExperiments(v1alpha1.AnalysisPhaseSuccessful)
	if len(m.w.Rollout.Status.PauseConditions) > 0 {
		m.resume(m.t)
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
	m.counts.late++
	m.land(l.seen, l.decision, l.write)
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

// syncPods lets the single pods, which a restart looks at, follow the counts of their ReplicaSets.
func (m *model) syncPods() {
	if m.podsFollow() {
		return
	}
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

// podsFollow reports whether the single pods are as many, and as many of them available, as their ReplicaSets count.
func (m *model) podsFollow() bool {
	left := len(m.w.Pods)
	for _, s := range m.w.Sets {
		all, available := int32(0), int32(0)
		for i := range m.w.Pods {
			if p := &m.w.Pods[i]; p.Hash == s.Hash {
				all++
				if p.Available {
					available++
				}
			}
		}
		if all != s.Replicas || available != s.Available {
			return false
		}
		left -= int(all)
	}
	return left == 0
}
