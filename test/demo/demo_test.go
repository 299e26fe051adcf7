package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/validation"
)

func TestALineIsCutByWhatIsSeenOfIt(t *testing.T) {
	cases := []struct {
		name, line string
		columns    int
		want       string
	}{
		{"a short one stays", "abc", 10, "abc"},
		{"a long one is cut", "abcdef", 3, "abc"},
		{"colours take no room and are kept", green + "ab" + plain + "cd", 3, green + "ab" + plain + "c"},
		{"a character is more than a byte", "█████", 2, "██"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := fit(c.line, c.columns); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestALineWithoutColoursHasNoneAndEndsWithItsText(t *testing.T) {
	if got := uncoloured(bold + " a" + plain + " b " + dim + plain); got != " a b" {
		t.Errorf("got %q", got)
	}
}

func TestTheRolloutIsValidAndNamesTheFirstImage(t *testing.T) {
	manifest, err := manifests.ReadFile("manifests/shop/rollout.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(manifest), firstImage) != 1 {
		t.Errorf("rollout.yaml does not name %s once", firstImage)
	}
	r := &v1alpha1.Rollout{}
	if err := yaml.UnmarshalStrict(manifest, r); err != nil {
		t.Fatal(err)
	}
	if problems := append(validation.Rollout(r), validation.Unsupported(r)...); len(problems) > 0 {
		t.Error(problems)
	}
}

func newHistory() *history {
	return &history{begin: time.Now(), measured: map[types.UID]int{}, told: map[types.UID]int32{}}
}

func routeTo(canary int32, version string) *gatewayv1.HTTPRoute {
	backend := func(name string, weight int32) gatewayv1.HTTPBackendRef {
		b := gatewayv1.HTTPBackendRef{}
		b.Name, b.Weight = gatewayv1.ObjectName(name), ptr.To(weight)
		return b
	}
	return &gatewayv1.HTTPRoute{
		ObjectMeta: metav1.ObjectMeta{ResourceVersion: version},
		Spec: gatewayv1.HTTPRouteSpec{Rules: []gatewayv1.HTTPRouteRule{{
			BackendRefs: []gatewayv1.HTTPBackendRef{backend("shop-stable", 100-canary), backend(canaryService, canary)},
		}}},
	}
}

func analysisRun(phase v1alpha1.AnalysisPhase, version string) *v1alpha1.AnalysisRun {
	return &v1alpha1.AnalysisRun{
		ObjectMeta: metav1.ObjectMeta{Name: "shop-1", UID: "1", ResourceVersion: version, CreationTimestamp: metav1.Now()},
		Status:     v1alpha1.AnalysisRunStatus{Phase: phase},
	}
}

func TestAVerdictHoldsOnlyBeforeTheRouteMoves(t *testing.T) {
	cases := []struct {
		name           string
		phase          v1alpha1.AnalysisPhase
		verdict, moved string
		want           bool
	}{
		{"a good verdict, then the route", v1alpha1.AnalysisPhaseSuccessful, "20", "21", true},
		{"the route, then a good verdict", v1alpha1.AnalysisPhaseSuccessful, "30", "21", false},
		{"a bad verdict, then the route", v1alpha1.AnalysisPhaseFailed, "20", "21", false},
		{"no verdict", v1alpha1.AnalysisPhaseRunning, "20", "21", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := newHistory()
			p := &play{history: h}
			start := time.Now()
			h.route(routeTo(10, "10"))
			h.run(analysisRun(c.phase, c.verdict))
			h.route(routeTo(50, c.moved))
			p.judged("v2", v1alpha1.AnalysisPhaseSuccessful, "is judged", start, func(canary int32) bool { return canary > 10 })
			if len(p.claims) != 1 || p.claims[0].holds != c.want {
				t.Errorf("claims %+v", p.claims)
			}
		})
	}
}

func TestOnlyChangesAreTold(t *testing.T) {
	h := newHistory()
	h.route(routeTo(10, "1"))
	h.route(routeTo(10, "2"))
	e := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{UID: "e"}, InvolvedObject: corev1.ObjectReference{Kind: "Rollout"}, Reason: "RolloutPaused", Message: "waits",
	}
	h.event(e)
	h.event(e)
	var told []string
	for _, n := range h.since(0) {
		told = append(told, n.kind+" "+n.text)
	}
	want := []string{"route 90 % to the stable Service, 10 % to the canary's", "event RolloutPaused: waits"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

func TestTheSummaryTellsWhetherAllHolds(t *testing.T) {
	p := &play{}
	p.claim("v1", "serves", true, "%d of %d", 5, 5)
	var out strings.Builder
	if !p.summary(&out) || !strings.Contains(out.String(), "5 of 5") {
		t.Errorf("summary is %s", &out)
	}
	p.claim("v2", "is promoted", false, "nothing")
	out.Reset()
	if p.summary(&out) || !strings.Contains(out.String(), "NOT SO") {
		t.Errorf("summary is %s", &out)
	}
}

func TestAnApplicationThatIsCalledHealthyTooEarlyIsFound(t *testing.T) {
	application := func(health gitopsv1.HealthCode) *gitopsv1.Application {
		a := &gitopsv1.Application{}
		a.Status.Sync = gitopsv1.SyncStatus{Status: gitopsv1.SyncSynced, Revision: "abc"}
		a.Status.Health.Status = health
		return a
	}
	for name, test := range map[string]struct {
		states []gitopsv1.HealthCode
		want   bool
	}{
		"after the canary":  {[]gitopsv1.HealthCode{gitopsv1.HealthProgressing, "route", gitopsv1.HealthHealthy}, true},
		"before the canary": {[]gitopsv1.HealthCode{gitopsv1.HealthProgressing, gitopsv1.HealthHealthy, "route"}, false},
		"degraded":          {[]gitopsv1.HealthCode{gitopsv1.HealthDegraded, "route", gitopsv1.HealthHealthy}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory()
			p := &play{history: h}
			for _, s := range test.states {
				if s == "route" {
					h.route(routeTo(10, "1"))
				} else {
					h.application(application(s))
				}
			}
			p.patient("v2", "abc")
			if len(p.claims) != 1 || p.claims[0].holds != test.want {
				t.Errorf("claims %+v", p.claims)
			}
		})
	}
}
