package simulate_test

import (
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/strategy"
	"github.com/sluice-delivery/sluice/strategy/simulate"
)

const image0 = "v1"

var (
	images   = []string{image0, "v2", "v3", "v4", "v5"}
	services = []string{"stable", "canary", "active", "preview"}
	// templates are the analyses that a spec may name, and the metric of each.
	templates = map[string]string{"check": "good", "recheck": "fine"}
)

func newWorld(r *v1alpha1.Rollout) *simulate.World {
	w := simulate.New(r, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	w.Image = image0
	for _, name := range services {
		w.Services[name] = &strategy.Service{Name: name, Exists: true}
	}
	w.Library = analysis.Library{Templates: map[string]v1alpha1.AnalysisTemplateSpec{}}
	for template, metric := range templates {
		w.Library.Templates[template] = v1alpha1.AnalysisTemplateSpec{Metrics: []v1alpha1.Metric{
			{Name: metric, Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: "http://check.example/"}}},
		}}
	}
	return w
}

func drawRollout(t *rapid.T) *v1alpha1.Rollout {
	r := &v1alpha1.Rollout{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "1"}}
	r.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	r.Spec.Replicas = drawReplicas(t)
	drawStrategy(t, r)
	if window := drawMaybe(t, "rollbackWindow", 0, 1, 2); window != nil {
		r.Spec.RollbackWindow = &v1alpha1.RollbackWindow{Revisions: *window}
	}
	r.Spec.RevisionHistoryLimit = drawMaybe(t, "revisionHistoryLimit", 0, 1)
	r.Spec.ProgressDeadlineSeconds = drawMaybe(t, "progressDeadlineSeconds", 30, 100)
	r.Spec.ProgressDeadlineAbort = rapid.Bool().Draw(t, "progressDeadlineAbort")
	return r
}

// drawStrategy puts a canary with or without a router, or blue-green, in the place of whatever strategy there was.
func drawStrategy(t *rapid.T, r *v1alpha1.Rollout) {
	r.Spec.Strategy = v1alpha1.RolloutStrategy{}
	kind := rapid.IntRange(0, 4).Draw(t, "strategy")
	if kind == 0 {
		b := &v1alpha1.BlueGreenStrategy{}
		r.Spec.Strategy.BlueGreen = b
		drawColors(t, b)
		return
	}
	c := &v1alpha1.CanaryStrategy{}
	r.Spec.Strategy.Canary = c
	if kind == 1 {
		drawBasicServices(t, c)
	} else {
		drawRouted(t, c)
	}
	c.Steps = drawSteps(t, r)
	if rapid.IntRange(0, 3).Draw(t, "background") == 0 {
		c.Analysis = &v1alpha1.RolloutAnalysisBackground{RolloutAnalysis: check(), StartingStep: drawMaybe(t, "startingStep", 0, 1, 2)}
	}
	drawFences(t, c)
	if rapid.IntRange(0, 2).Draw(t, "threshold") == 0 {
		kind := rapid.SampledFrom([]v1alpha1.ProgressThresholdType{v1alpha1.ProgressThresholdPercent, v1alpha1.ProgressThresholdPods}).Draw(t, "unit")
		c.ReplicaProgressThreshold = &v1alpha1.ReplicaProgressThreshold{Type: kind, Value: rapid.SampledFrom([]int32{-1, 0, 1, 3, 50, 90, 100}).Draw(t, "of")}
	}
}

// drawColors draws everything that blue-green may say.
func drawColors(t *rapid.T, b *v1alpha1.BlueGreenStrategy) {
	*b = v1alpha1.BlueGreenStrategy{ActiveService: "active", PreviewService: rapid.SampledFrom([]string{"preview", ""}).Draw(t, "previewService")}
	if rapid.Bool().Draw(t, "Services of a canary") {
		b.ActiveService, b.PreviewService = "stable", "canary"
	}
	b.PreviewReplicaCount = drawMaybe(t, "previewReplicaCount", 0, 1, 3)
	if rapid.Bool().Draw(t, "promoted by hand") {
		b.AutoPromotionEnabled = ptr.To(false)
	}
	b.AutoPromotionSeconds = rapid.SampledFrom([]int32{0, 0, 20}).Draw(t, "autoPromotionSeconds")
	b.ScaleDownDelaySeconds = drawMaybe(t, "scaleDownDelaySeconds", 0, 10, 60)
	b.ScaleDownDelayRevisionLimit = drawMaybe(t, "scaleDownDelayRevisionLimit", 0, 1)
	b.AbortScaleDownDelaySeconds = drawMaybe(t, "abortScaleDownDelaySeconds", 0, 10)
	if rapid.IntRange(0, 2).Draw(t, "prePromotionAnalysis") == 0 {
		b.PrePromotionAnalysis = ptr.To(check())
	}
	if rapid.IntRange(0, 2).Draw(t, "postPromotionAnalysis") == 0 {
		b.PostPromotionAnalysis = ptr.To(check())
	}
	b.MaxUnavailable = drawFence(t, "maxUnavailable")
}

// drawWorkload may let a Deployment hold the pod template; its pods serve before ours exist.
func drawWorkload(t *rapid.T, w *simulate.World) {
	mode := rapid.SampledFrom([]string{"", "", "", "", "never", "onsuccess", "progressively"}).Draw(t, "workloadRef")
	if mode == "" {
		return
	}
	w.Rollout.Spec.WorkloadRef = &v1alpha1.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", ScaleDown: mode}
	n := rapid.Int32Range(0, 5).Draw(t, "replicas of the workload")
	w.Workload = &simulate.Workload{Workload: strategy.Workload{Kind: "Deployment", Name: "web", Generation: 1, Replicas: &n}, Available: n}
}

func drawRouted(t *rapid.T, c *v1alpha1.CanaryStrategy) {
	c.StableService, c.CanaryService = "stable", "canary"
	c.TrafficRouting = &v1alpha1.RolloutTrafficRouting{
		MaxTrafficWeight: drawMaybe(t, "maxTrafficWeight", 10, 1000), ManagedRoutes: []v1alpha1.ManagedRoute{{Name: "testers"}, {Name: "shadow"}},
	}
	if c.DynamicStableScale = rapid.IntRange(0, 3).Draw(t, "dynamicStableScale") == 3; !c.DynamicStableScale {
		c.ScaleDownDelaySeconds = drawMaybe(t, "scaleDownDelaySeconds", 0, 10, 60)
	}
	c.AbortScaleDownDelaySeconds = drawMaybe(t, "abortScaleDownDelaySeconds", 0, 10)
	c.ScaleDownDelayRevisionLimit = drawMaybe(t, "scaleDownDelayRevisionLimit", 0, 1)
	c.MinPodsPerReplicaSet = drawMaybe(t, "minPodsPerReplicaSet", 1, 2, 30)
}

func drawBasicServices(t *rapid.T, c *v1alpha1.CanaryStrategy) {
	if rapid.Bool().Draw(t, "stableService") {
		c.StableService = "stable"
	}
	if rapid.Bool().Draw(t, "canaryService") {
		c.CanaryService = "canary"
	}
}

// drawMaybe is one of the values, or absent half of the time.
func drawMaybe(t *rapid.T, label string, values ...int32) *int32 {
	if rapid.Bool().Draw(t, label+" absent") {
		return nil
	}
	return ptr.To(rapid.SampledFrom(values).Draw(t, label))
}

func drawReplicas(t *rapid.T) *int32 {
	return drawMaybe(t, "replicas", 0, 1, 2, 3, 4, 5, 7, 10, 20)
}

func drawFences(t *rapid.T, c *v1alpha1.CanaryStrategy) {
	c.MaxSurge, c.MaxUnavailable = drawFence(t, "maxSurge"), drawFence(t, "maxUnavailable")
	if zero := intstr.FromInt32(0); c.MaxSurge != nil && c.MaxUnavailable != nil && *c.MaxSurge == zero && *c.MaxUnavailable == zero {
		c.MaxUnavailable = ptr.To(intstr.FromInt32(1)) // the validation refuses both to be 0
	}
}

func drawFence(t *rapid.T, label string) *intstr.IntOrString {
	switch n := rapid.IntRange(-2, 4).Draw(t, label); {
	case n == -2:
		return nil
	case n == -1:
		return ptr.To(intstr.FromString("30%"))
	default:
		return ptr.To(intstr.FromInt32(int32(n)))
	}
}

func check() v1alpha1.RolloutAnalysis {
	return v1alpha1.RolloutAnalysis{Templates: []v1alpha1.AnalysisTemplateRef{{TemplateName: "check"}}}
}

func drawSteps(t *rapid.T, r *v1alpha1.Rollout) []v1alpha1.CanaryStep {
	routed, full := v1alpha1.HasRouter(r), v1alpha1.MaxTrafficWeight(r)
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) v1alpha1.CanaryStep { return drawStep(t, routed, full) }), 0, 5).Draw(t, "steps")
	if routed && rapid.IntRange(0, 2).Draw(t, "begins with an experiment") == 0 {
		steps = append([]v1alpha1.CanaryStep{{Experiment: drawExperiment(t, routed)}}, steps...)
	}
	fitWeights(steps, full)
	return steps
}

// drawStep draws a step, which behind a router may have the parts that can stand beside any other.
func drawStep(t *rapid.T, routed bool, full int32) v1alpha1.CanaryStep {
	step := drawPart(t, routed, full)
	if !routed {
		return step
	}
	switch rapid.IntRange(0, 11).Draw(t, "beside it") {
	case 10:
		step.SetCanaryScale = drawScale(t, full)
	case 11:
		step.SetHeaderRoute = drawHeaderRoute(t)
	}
	return step
}

func drawPart(t *rapid.T, routed bool, full int32) v1alpha1.CanaryStep {
	kinds := 8
	if !routed {
		kinds = 5
	}
	switch rapid.IntRange(0, kinds).Draw(t, "step") {
	case 3:
		if seconds := drawMaybe(t, "pause", 0, 10, 60); seconds != nil {
			return v1alpha1.CanaryStep{Pause: &v1alpha1.RolloutPause{Duration: ptr.To(intstr.FromInt32(*seconds))}}
		}
		return v1alpha1.CanaryStep{Pause: &v1alpha1.RolloutPause{}}
	case 4:
		analysis := check()
		analysis.Templates[0].TemplateName = rapid.SampledFrom([]string{"check", "recheck"}).Draw(t, "template")
		return v1alpha1.CanaryStep{Analysis: &analysis}
	case 5:
		return v1alpha1.CanaryStep{Experiment: drawExperiment(t, routed)}
	case 6:
		return v1alpha1.CanaryStep{SetCanaryScale: drawScale(t, full)}
	case 7:
		return v1alpha1.CanaryStep{SetHeaderRoute: drawHeaderRoute(t)}
	case 8:
		return v1alpha1.CanaryStep{SetMirrorRoute: drawMirrorRoute(t)}
	}
	percent := rapid.SampledFrom([]int32{0, 1, 10, 25, 33, 50, 75, 99, 100}).Draw(t, "setWeight")
	return v1alpha1.CanaryStep{SetWeight: ptr.To(percent * full / 100)}
}

func drawHeaderRoute(t *rapid.T) *v1alpha1.SetHeaderRoute {
	h := &v1alpha1.SetHeaderRoute{Name: "testers"}
	if value := rapid.SampledFrom([]string{"", "yes", "please"}).Draw(t, "header"); value != "" {
		h.Match = []v1alpha1.HeaderRoutingMatch{{HeaderName: "X-Tester", HeaderValue: &v1alpha1.StringMatch{Exact: value}}}
	}
	return h
}

func drawMirrorRoute(t *rapid.T) *v1alpha1.SetMirrorRoute {
	m := &v1alpha1.SetMirrorRoute{Name: "shadow"}
	if percent := rapid.SampledFrom([]int32{0, 10, 100}).Draw(t, "mirror"); percent > 0 {
		m.Match, m.Percentage = []v1alpha1.RouteMatch{{Path: &v1alpha1.StringMatch{Prefix: "/"}}}, &percent
	}
	return m
}

func drawScale(t *rapid.T, full int32) *v1alpha1.SetCanaryScale {
	switch rapid.IntRange(0, 2).Draw(t, "setCanaryScale") {
	case 0:
		return &v1alpha1.SetCanaryScale{Weight: ptr.To(rapid.SampledFrom([]int32{0, 10, 50, 100}).Draw(t, "weight") * full / 100)}
	case 1:
		return &v1alpha1.SetCanaryScale{Replicas: ptr.To(rapid.Int32Range(0, 12).Draw(t, "canary replicas"))}
	}
	return &v1alpha1.SetCanaryScale{MatchTrafficWeight: true}
}

func specText(r *v1alpha1.Rollout) string {
	text, err := json.Marshal(r.Spec)
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(text)
}
