package gitsync

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/console/verb"
)

const automated = "syncPolicy: {automated: {prune: true, selfHeal: true}}\n"

const rollout = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:v1", ports: [{containerPort: 8080}]}]}
  strategy:
    canary:
      stableService: web-stable
      canaryService: web-canary
      scaleDownDelaySeconds: 1
      trafficRouting: {gatewayAPI: {httpRoute: web}}
      steps: [{setWeight: 20}, {pause: {}}, {setWeight: 60}, {pause: {}}]
`

const around = `
apiVersion: v1
kind: Service
metadata: {name: web-stable}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-canary}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: public, namespace: shop}]
  hostnames: [NAME.example.com]
  rules: [{backendRefs: [{name: web-stable, port: 80, weight: 100}, {name: web-canary, port: 80, weight: 0}]}]
`

const settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: \"1\"}\n"

func (s *site) rollout() *v1alpha1.Rollout {
	return s.read(&v1alpha1.Rollout{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "web"}}).(*v1alpha1.Rollout)
}

func (s *site) replicas() int32 { return ptr.Deref(s.rollout().Spec.Replicas, 1) }

// weight waits until the route gives the canary a share and the Rollout is paused there.
func (s *site) weight(want int32) {
	s.t.Helper()
	s.await("the canary is paused with its share", func() bool {
		route := s.read(&gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "web"}}).(*gatewayv1.HTTPRoute)
		return *route.Spec.Rules[0].BackendRefs[1].Weight == want && len(s.rollout().Status.PauseConditions) > 0
	})
}

func (s *site) promote() {
	s.t.Helper()
	if _, err := verb.Promote(s.t.Context(), up.Client, client.ObjectKey{Namespace: s.name, Name: "web"}, false); err != nil {
		s.t.Fatal(err)
	}
}

// scale moves the replicas as an autoscaler does.
func (s *site) scale(replicas int32) {
	s.t.Helper()
	to := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
	if err := up.Client.SubResource("scale").Update(s.t.Context(), s.rollout(), client.WithSubResourceBody(to)); err != nil {
		s.t.Fatal(err)
	}
}

func TestSelfHealAndPruneAreAtPeaceWithACanary(t *testing.T) {
	s, first := newSite(t, "peace", automated, map[string]string{"rollout.yaml": rollout, "around.yaml": around})
	s.synced(first, gitopsv1.HealthHealthy)
	s.scale(3)
	s.await("the Rollout has three replicas", func() bool { return s.rollout().Status.AvailableReplicas == 3 })
	s.look()
	before := len(s.applied())

	second := s.push(map[string]string{"rollout.yaml": strings.ReplaceAll(rollout, "web:v1", "web:v2")})
	s.weight(20)
	s.synced(second, gitopsv1.HealthSuspended)
	s.look()
	third := s.push(map[string]string{"settings.yaml": settings})
	s.synced(third, gitopsv1.HealthSuspended)
	s.look()
	s.promote()
	s.weight(60)
	s.look()
	s.scale(4)
	s.look()
	s.promote()
	s.synced(third, gitopsv1.HealthHealthy)
	s.look()

	if diff := cmp.Diff([]string{"rollouts/web", "configmaps/settings"}, s.applied()[before:]); diff != "" {
		t.Errorf("Git-sync applied more than what the two commits changed:\n%s", diff)
	}
	if n := s.replicas(); n != 4 {
		t.Errorf("Git-sync has set the replicas to %d", n)
	}
	r := s.rollout()
	stable := s.read(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "web-stable"}}).(*corev1.Service)
	if hash := stable.Spec.Selector[v1alpha1.LabelPodTemplateHash]; hash != r.Status.StableRS || r.Status.StableRS != r.Status.CurrentPodHash {
		t.Errorf("the stable Service selects %q, the stable revision is %s", hash, r.Status.StableRS)
	}
}

func TestWhatPeopleChangeBesideACanaryIsHealed(t *testing.T) {
	s, first := newSite(t, "drift", automated, map[string]string{"rollout.yaml": rollout, "around.yaml": around})
	s.synced(first, gitopsv1.HealthHealthy)
	second := s.push(map[string]string{"rollout.yaml": strings.ReplaceAll(rollout, "web:v1", "web:v2")})
	s.weight(20)
	s.synced(second, gitopsv1.HealthSuspended)
	route := s.read(&gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "web"}}).(*gatewayv1.HTTPRoute)
	patch := client.MergeFrom(route.DeepCopy())
	route.Spec.Hostnames = []gatewayv1.Hostname{"elsewhere.example.com"}
	if err := up.Client.Patch(t.Context(), route, patch); err != nil {
		t.Fatal(err)
	}
	s.await("the host name is healed", func() bool {
		return slices.Equal(s.read(route).(*gatewayv1.HTTPRoute).Spec.Hostnames, []gatewayv1.Hostname{"drift.example.com"})
	})
	if weight := *route.Spec.Rules[0].BackendRefs[1].Weight; weight != 20 {
		t.Errorf("the heal has changed the canary's weight to %d", weight)
	}
	s.promote()
	s.weight(60)
}

func TestAnAbortedCommitIsHeldWhateverHappensInTheCluster(t *testing.T) {
	s, first := newSite(t, "held", automated, map[string]string{"rollout.yaml": rollout, "around.yaml": around})
	s.synced(first, gitopsv1.HealthHealthy)
	bad := s.push(map[string]string{"rollout.yaml": strings.ReplaceAll(rollout, "web:v1", "web:v2")})
	s.weight(20)
	key := client.ObjectKey{Namespace: s.name, Name: "web"}
	if _, err := verb.Abort(t.Context(), up.Client, key); err != nil {
		t.Fatal(err)
	}
	status := s.synced(bad, gitopsv1.HealthDegraded)
	if !strings.Contains(status.Health.Message, "Commit "+bad[:7]+" is held") {
		t.Errorf("the Application says %q", status.Health.Message)
	}
	before := len(s.applied())
	if _, err := verb.Undo(t.Context(), up.Client, key, 0); err != nil {
		t.Fatal(err)
	}
	s.await("the Rollout is back", func() bool { return s.rollout().Status.Phase == v1alpha1.RolloutPhaseHealthy })
	s.look()
	other := s.push(map[string]string{"settings.yaml": settings})
	app := s.app()
	s.await("a commit that leaves the Rollout as it was is synced", func() bool {
		m := &corev1.ConfigMap{}
		return up.Client.Get(context.WithoutCancel(t.Context()), client.ObjectKey{Namespace: s.name, Name: "settings"}, m) == nil &&
			s.read(app).(*gitopsv1.Application).Status.Sync.Revision == other
	})
	s.look()
	if diff := cmp.Diff([]string{"configmaps/settings"}, s.applied()[before:]); diff != "" {
		t.Errorf("something held was applied:\n%s", diff)
	}
	if health := s.read(app).(*gitopsv1.Application).Status.Health; health.Status != gitopsv1.HealthDegraded || !strings.Contains(health.Message, bad[:7]) {
		t.Errorf("health %+v", health)
	}
	good := s.push(map[string]string{"rollout.yaml": strings.ReplaceAll(rollout, "web:v1", "web:v3")})
	s.weight(20)
	s.synced(good, gitopsv1.HealthSuspended)
}
