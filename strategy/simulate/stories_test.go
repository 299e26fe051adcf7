package simulate_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/golden"
	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/strategy/simulate"
)

// teller leads a world through a story.
type teller struct {
	simulate.Story
	t *testing.T
}

func (s *teller) release(version string) {
	s.Tell("the spec asks for %s", version)
	s.World.Image = version
	s.World.Rollout.Generation++
	s.rest()
}

func (s *teller) rest() {
	s.Rest()
	s.State()
}

func (s *teller) edit(what string, change func(*v1alpha1.Rollout)) {
	s.Tell("%s", what)
	change(s.World.Rollout)
	s.rest()
}

func (s *teller) wait(d time.Duration) {
	s.Tell("%s pass", d)
	s.World.Now = s.World.Now.Add(d)
	s.rest()
}

func (s *teller) judge(phase v1alpha1.AnalysisPhase, message string) {
	s.Tell("the analysis says %s", phase)
	s.World.Judge(phase, message)
	s.rest()
}

func (s *teller) most(version string, pods int32) {
	s.Tell("no more than %d pods of %s can be available", pods, version)
	s.World.Most[version] = pods
	s.rest()
}

func (s *teller) promote() {
	s.edit("promote", func(r *v1alpha1.Rollout) { r.Status.PauseConditions = nil })
}

func (s *teller) promoteFull() {
	s.edit("promote --full", func(r *v1alpha1.Rollout) { r.Status.PromoteFull = true })
}

func (s *teller) abort() {
	s.edit("abort", func(r *v1alpha1.Rollout) { r.Status.Abort = true })
}

func (s *teller) retry() {
	s.edit("retry", func(r *v1alpha1.Rollout) { r.Status.Abort = false })
}

func (s *teller) scale(n int32) {
	s.edit("replicas are set to another number", func(r *v1alpha1.Rollout) { r.Spec.Replicas = &n })
}

// autoscaler tells what an autoscaler reads through the subresource scale.
func (s *teller) autoscaler() {
	s.Tell("an autoscaler sees %d replicas", s.World.Rollout.Status.HPAReplicas)
}

// adopted is a Service that selects the pods of every revision so far.
func (s *teller) adopted(name string) *strategy.Service {
	s.Tell("Service %s selects every pod", name)
	return &strategy.Service{Name: name, Exists: true}
}

const (
	routed = `{replicas: 5, selector: {matchLabels: {app: web}}, strategy: {canary: {canaryService: canary, stableService: stable,
  trafficRouting: {managedRoutes: [{name: testers}, {name: shadow}], gatewayAPI: {httpRoute: web}}, EXTRA steps: [STEPS]}}}`
	basic   = `{replicas: 5, selector: {matchLabels: {app: web}}, strategy: {canary: {EXTRA steps: [STEPS]}}}`
	byColor = `{replicas: 3, selector: {matchLabels: {app: web}}, strategy: {blueGreen: {activeService: active, previewService: preview, EXTRA}}}`
)

type story struct {
	name, why          string
	spec, extra, steps string
	most               map[string]int32
	tell               func(*teller)
}

func (c story) world(t *testing.T) *simulate.World {
	text := strings.NewReplacer("EXTRA", c.extra, "STEPS", c.steps).Replace(c.spec)
	r := &v1alpha1.Rollout{}
	r.Name = "web"
	if err := yaml.UnmarshalStrict([]byte(text), &r.Spec); err != nil {
		t.Fatalf("reading the spec of the story: %v", err)
	}
	w := simulate.New(r, time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	w.Most = map[string]int32{}
	maps.Copy(w.Most, c.most)
	if ref := r.Spec.WorkloadRef; ref != nil {
		w.Workload = &simulate.Workload{Workload: strategy.Workload{Kind: ref.Kind, Name: ref.Name, Generation: 1, Replicas: r.Spec.Replicas}, Available: *r.Spec.Replicas}
	}
	check := v1alpha1.AnalysisTemplateSpec{Metrics: []v1alpha1.Metric{{Name: "good", Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: "http://check.example/"}}}}}
	w.Library = analysis.Library{Templates: map[string]v1alpha1.AnalysisTemplateSpec{"check": check}}
	return w
}

// TestStories tells each story and compares it with the golden one; go test -update writes them anew.
func TestStories(t *testing.T) {
	for _, c := range slices.Concat(stories, storiesOfColors, storiesOfSurfaces, storiesOfExperiments, storiesOfTroubles) {
		t.Run(c.name, func(t *testing.T) {
			s := &teller{Story: simulate.Story{World: c.world(t)}, t: t}
			s.release("v1")
			c.tell(s)
			got := "# " + c.why + "\n" + s.Text()
			file := filepath.Join("testdata", strings.NewReplacer(" ", "-", ",", "").Replace(c.name)+".txt")
			golden.Compare(t, file, got)
		})
	}
}
