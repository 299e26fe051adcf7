package integration

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/test/process"
	"github.com/sluice-delivery/sluice/test/soak"
)

const (
	// pairInstance is served by two controllers, of which the leader is killed leaderKills times in a release.
	pairInstance = "pair"
	leaderKills  = 6
	// samples is how often each analysis asks its judge.
	samples = 3
)

// judgedBy are the analyses of a Rollout by one web server.
func judgedBy(namespace string, j *judge) (*v1alpha1.RolloutAnalysis, *v1alpha1.AnalysisTemplate) {
	return &v1alpha1.RolloutAnalysis{Templates: []v1alpha1.AnalysisTemplateRef{{TemplateName: "rate"}}}, &v1alpha1.AnalysisTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "rate"},
		Spec: v1alpha1.AnalysisTemplateSpec{Metrics: []v1alpha1.Metric{{
			Name: "rate", Interval: "1s", Count: ptr.To(intstr.FromInt32(samples)), SuccessCondition: "result >= 0.95",
			Provider: v1alpha1.MetricProvider{Web: &v1alpha1.WebMetric{URL: j.URL, JSONPath: "{$.rate}"}},
		}}},
	}
}

// surfaces are Rollouts of the wider surface, each with analyses that must run once.
func surfaces(j *judge) map[string]surface {
	return map[string]surface{
		"blue-green": {runs: []string{"PrePromotion", "PostPromotion"}, make: func(namespace string) (*v1alpha1.Rollout, []client.Object) {
			r, around := soakBlueGreen(namespace)
			a, template := judgedBy(namespace, j)
			b := r.Spec.Strategy.BlueGreen
			b.AutoPromotionEnabled, b.PrePromotionAnalysis, b.PostPromotionAnalysis = ptr.To(true), a, a
			return r, append(around, template)
		}},
		"header route": {runs: []string{"Step", "Background"}, make: func(namespace string) (*v1alpha1.Rollout, []client.Object) {
			a, template := judgedBy(namespace, j)
			r, around := soakCanary(namespace)
			c := r.Spec.Strategy.Canary
			c.TrafficRouting.ManagedRoutes = []v1alpha1.ManagedRoute{{Name: "beta"}}
			c.Analysis = &v1alpha1.RolloutAnalysisBackground{RolloutAnalysis: *a}
			c.Steps = append(weights(20), v1alpha1.CanaryStep{SetHeaderRoute: &v1alpha1.SetHeaderRoute{Name: "beta", Match: []v1alpha1.HeaderRoutingMatch{
				{HeaderName: "X-Beta", HeaderValue: &v1alpha1.StringMatch{Exact: "yes"}}}}}, v1alpha1.CanaryStep{Analysis: a}, weights(60)[0])
			return r, append(around, template)
		}},
		"workloadRef": {runs: []string{"Step"}, make: func(namespace string) (*v1alpha1.Rollout, []client.Object) {
			a, template := judgedBy(namespace, j)
			r, around := soakCanary(namespace)
			r.Spec.Strategy.Canary.Steps = append(weights(40), v1alpha1.CanaryStep{Analysis: a})
			pods, err := v1alpha1.PodTemplate(r.Spec.Template)
			if err != nil {
				panic(err) // it is a constant
			}
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy"},
				Spec: appsv1.DeploymentSpec{Replicas: r.Spec.Replicas, Selector: r.Spec.Selector, Template: pods}}
			r.Spec.Template, r.Spec.Selector = runtime.RawExtension{}, nil
			r.Spec.WorkloadRef = &v1alpha1.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "legacy", ScaleDown: "onsuccess"}
			return r, append(around, template, d)
		}},
	}
}

// surface is a kind of Rollout and the types of analysis that a release of it has.
type surface struct {
	runs []string
	make func(namespace string) (*v1alpha1.Rollout, []client.Object)
}

// TestNoStepRunsTwiceWhoeverLeads kills the leader of two controllers at random moments of three releases under load.
func TestNoStepRunsTwiceWhoeverLeads(t *testing.T) {
	t.Parallel()
	pair := &pair{t: t}
	pair.start()
	j := newJudge(t)
	var victims []*victim
	runs := map[*victim][]string{}
	for _, s := range surfaces(j) {
		v := newVictim(t, s.make, pairInstance)
		runs[v] = s.runs
		victims = append(victims, v)
	}
	follow(t, victims...)
	for _, v := range victims {
		v.load(t)
	}
	pair.start()
	for _, v := range victims {
		v.release(t)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("the moments are those of seed %d", seed)
	random := rand.New(rand.NewPCG(seed, seed))
	for range leaderKills {
		select {
		case <-time.After(time.Duration(random.IntN(2500)) * time.Millisecond):
		case <-t.Context().Done():
		}
		pair.killLeader()
	}
	for _, v := range victims {
		first := v.rollout.Status.StableRS
		await(t, v.rollout, "version 2 is healthy", func(r *v1alpha1.Rollout) bool { return healthy(r) && r.Status.StableRS != first })
		v.judge(t)
		v.ranOnce(t, runs[v])
		v.toldOnce(t)
	}
}

// release gives the Rollout a new version, where its template stands.
func (v *victim) release(t *testing.T) {
	t.Helper()
	if v.rollout.Spec.WorkloadRef == nil {
		v.suffer(t, soak.Operation{Kind: soak.Release})
		return
	}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: v.rollout.Namespace, Name: v.rollout.Spec.WorkloadRef.Name}}
	patch := `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"app:v2"}]}}}}`
	if err := suite.admin.Patch(t.Context(), d, client.RawPatch("application/strategic-merge-patch+json", []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// ranOnce sees that each analysis of the release ran once, and asked no more often than it should.
func (v *victim) ranOnce(t *testing.T, types []string) {
	t.Helper()
	var list v1alpha1.AnalysisRunList
	if err := suite.admin.List(t.Context(), &list, client.InNamespace(v.rollout.Namespace)); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, run := range list.Items {
		counts[run.Labels[v1alpha1.LabelRolloutType]]++
		if got := run.Status.MetricResults; len(got) != 1 || got[0].Count != samples || run.Status.Phase != v1alpha1.AnalysisPhaseSuccessful {
			t.Errorf("%s: run %s is %s with %+v", v.name(), run.Name, run.Status.Phase, got)
		}
	}
	for _, kind := range types {
		if counts[kind] != 1 {
			t.Errorf("%s: the analysis %s ran %d times", v.name(), kind, counts[kind])
		}
	}
	if len(counts) != len(types) {
		t.Errorf("%s: the analyses are %v, want one each of %v", v.name(), counts, types)
	}
}

// toldOnce sees that no event came twice: each text of one release names a step, a size or a revision.
func (v *victim) toldOnce(t *testing.T) {
	t.Helper()
	var list corev1.EventList
	if err := suite.admin.List(t.Context(), &list, client.InNamespace(v.rollout.Namespace)); err != nil {
		t.Fatal(err)
	}
	told := map[string]int32{}
	for _, e := range list.Items {
		if e.InvolvedObject.Kind == "Rollout" && e.Type == corev1.EventTypeNormal {
			told[e.Reason+": "+e.Message] += max(e.Count, 1)
		}
	}
	for text, times := range told {
		if times > 1 {
			t.Errorf("%s: told %d times: %s", v.name(), times, text)
		}
	}
	if len(told) == 0 {
		t.Errorf("%s: there is no event", v.name())
	}
}

// pair is two controllers of one instance, the leader first.
type pair struct {
	t       *testing.T
	started int
	up      []*process.Process
}

// start adds a controller, which stands by if there is a leader.
func (p *pair) start() {
	p.t.Helper()
	p.started++
	c, _, err := startController(p.t.Context(), fmt.Sprintf("%s-%d", pairInstance, p.started), pairInstance)
	if err != nil {
		p.t.Fatal(err)
	}
	endWith(p.t, c)
	p.up = append(p.up, c)
}

// killLeader shoots the leader. Its lease is deleted, as if its time were over, so that the other need not wait for that; a third stands by then.
func (p *pair) killLeader() {
	p.t.Helper()
	shoot(p.t, p.up[0])
	p.up = p.up[1:]
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: "sluice-controller-" + pairInstance}}
	if err := suite.admin.Delete(p.t.Context(), lease); err != nil {
		p.t.Fatal(err)
	}
	awaitExists(p.t, lease)
	p.start()
}
