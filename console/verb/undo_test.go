package verb

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
)

// revision is the ReplicaSet that ran image app:N for the Rollout.
func revision(t *testing.T, number int, hash, annotations string) *unstructured.Unstructured {
	t.Helper()
	set := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(fmt.Appendf(nil, `
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  namespace: shop
  name: web-%[2]s
  labels: {rollouts-pod-template-hash: %[2]s}
  annotations: {rollout.argoproj.io/revision: "%[1]d"%[3]s}
  ownerReferences: [{apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: web, uid: web-uid, controller: true}]
spec:
  template:
    metadata:
      labels: {app: web, role: canary, rollouts-pod-template-hash: %[2]s}
      annotations: {note: injected, mine: kept}
    spec: {containers: [{name: app, image: "app:%[1]d"}]}
`, number, hash, annotations), &set.Object); err != nil {
		t.Fatal(err)
	}
	return set
}

const injected = `, rollout.argoproj.io/ephemeral-metadata: '{"labels":{"role":"canary"},"annotations":{"note":"injected"}}'`

func TestUndo(t *testing.T) {
	const template2 = `{"metadata":{"annotations":{"mine":"kept","note":"injected"},"labels":{"app":"web","role":"canary"}},"spec":{"containers":[{"image":"app:2","name":"app","resources":{}}]}}`
	const template1 = `{"metadata":{"annotations":{"mine":"kept"},"labels":{"app":"web"}},"spec":{"containers":[{"image":"app:1","name":"app","resources":{}}]}}`
	for name, c := range map[string]struct {
		to      int64
		status  string
		words   string
		patches []string
	}{
		"to the revision before": {status: `{currentPodHash: ccc}`, words: "rollout shop/web: return to the pod template of revision 2 asked for",
			patches: []string{`web [{"op":"replace","path":"/spec/template","value":` + template2 + `}]`}},
		"to a revision by its number, without what its role had put on the pods": {to: 1, status: `{currentPodHash: ccc}`,
			words:   "rollout shop/web: return to the pod template of revision 1 asked for",
			patches: []string{`web [{"op":"replace","path":"/spec/template","value":` + template1 + `}]`}},
		"to the newest revision while the controller has not seen the change": {status: `{currentPodHash: ccc, observedGeneration: "1"}`,
			words: "rollout shop/web: return to the pod template of revision 3 asked for",
			patches: []string{`web [{"op":"replace","path":"/spec/template","value":` +
				`{"metadata":{"annotations":{"mine":"kept","note":"injected"},"labels":{"app":"web","role":"canary"}},"spec":{"containers":[{"image":"app:3","name":"app","resources":{}}]}}}]`}},
		"to a revision that is not there": {to: 9, status: `{currentPodHash: ccc}`,
			words: "error: rollout shop/web: there is no revision 9: there are 3 (current), 2, 1"},
		"to the current revision": {to: 3, status: `{currentPodHash: ccc}`,
			words: "error: rollout shop/web: nothing to undo: revision 3 is what the spec asks for"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rollout(t, `{metadata: {generation: 2}, spec: {template: {spec: {}}}, status: `+c.status+`}`)
			s := serve(t, withStatus, r, revision(t, 2, "bbb", ""), revision(t, 3, "ccc", ""), revision(t, 1, "aaa", injected))
			check(t, s, func(s *server) (string, error) { return Undo(t.Context(), s, key, c.to) }, c.words, c.patches...)
		})
	}
	t.Run("with one revision there is nothing to undo", func(t *testing.T) {
		s := serve(t, withStatus, rollout(t, `status: {currentPodHash: aaa}`), revision(t, 1, "aaa", ""))
		check(t, s, func(s *server) (string, error) { return Undo(t.Context(), s, key, 0) },
			"error: rollout shop/web: nothing to undo: there is no earlier revision")
	})
	t.Run("the template itself tells the current revision before the status does", func(t *testing.T) {
		r := rollout(t, `{metadata: {generation: 2}, spec: {template: {spec: {containers: [{name: app, image: "app:5"}]}}}, status: {currentPodHash: aaa, observedGeneration: "1"}}`)
		hash, err := v1alpha1.PodTemplateHash(r.Spec.Template, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := serve(t, withStatus, r, revision(t, 4, "aaa", ""), revision(t, 5, hash, ""))
		if said, err := Undo(t.Context(), s, key, 0); err != nil || said != "rollout shop/web: return to the pod template of revision 4 asked for" {
			t.Errorf("said %q, %v", said, err)
		}
	})
	t.Run("what another Rollout made is no revision", func(t *testing.T) {
		foreign := revision(t, 7, "ddd", "")
		foreign.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "web", UID: "former-uid", Controller: ptr.To(true)}})
		s := serve(t, withStatus, rollout(t, `status: {currentPodHash: aaa}`), revision(t, 1, "aaa", ""), foreign)
		check(t, s, func(s *server) (string, error) { return Undo(t.Context(), s, key, 7) },
			"error: rollout shop/web: there is no revision 7: there are 1 (current)")
	})
	t.Run("annotations that only a role had put there leave nothing behind", func(t *testing.T) {
		s := serve(t, withStatus, rollout(t, `status: {currentPodHash: bbb}`),
			revision(t, 1, "aaa", `, rollout.argoproj.io/ephemeral-metadata: '{"annotations":{"note":"","mine":""}}'`))
		if _, err := Undo(t.Context(), s, key, 0); err != nil {
			t.Fatal(err)
		}
		if got := string(s.rollout(t).Spec.Template.Raw); strings.Contains(got, "annotations") {
			t.Errorf("the template is %s", got)
		}
	})
	t.Run("the rule that kept its pods apart from those of another revision is left behind", func(t *testing.T) {
		apart := revision(t, 1, "aaa", "")
		template, _, err := unstructured.NestedMap(apart.Object, "spec", "template")
		if err != nil {
			t.Fatal(err)
		}
		rule := &v1alpha1.AntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: &v1alpha1.PreferredDuringSchedulingIgnoredDuringExecution{Weight: 5}}
		if err := kube.KeepApart(template, rule, "zzz"); err != nil {
			t.Fatal(err)
		}
		if err := unstructured.SetNestedMap(apart.Object, template, "spec", "template"); err != nil {
			t.Fatal(err)
		}
		s := serve(t, withStatus, rollout(t, `status: {currentPodHash: bbb}`), apart)
		if _, err := Undo(t.Context(), s, key, 0); err != nil {
			t.Fatal(err)
		}
		if got := string(s.rollout(t).Spec.Template.Raw); strings.Contains(got, "ffinity") || !strings.Contains(got, "app:1") {
			t.Errorf("the template is %s", got)
		}
	})
	t.Run("an annotation that cannot be read is named", func(t *testing.T) {
		s := serve(t, withStatus, rollout(t, `status: {currentPodHash: bbb}`), revision(t, 1, "aaa", `, rollout.argoproj.io/ephemeral-metadata: "{"`))
		check(t, s, func(s *server) (string, error) { return Undo(t.Context(), s, key, 0) },
			"error: undoing rollout shop/web: reading annotation rollout.argoproj.io/ephemeral-metadata of ReplicaSet web-aaa: unexpected end of JSON input")
	})
	t.Run("the workload that the Rollout refers to gets the template", func(t *testing.T) {
		deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "workload"}}
		s := serve(t, withStatus, deployment, revision(t, 1, "aaa", ""), revision(t, 2, "bbb", ""),
			rollout(t, `{spec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: workload}}, status: {currentPodHash: bbb}}`))
		if _, err := Undo(t.Context(), s, key, 0); err != nil {
			t.Fatal(err)
		}
		if err := s.Get(t.Context(), client.ObjectKeyFromObject(deployment), deployment); err != nil {
			t.Fatal(err)
		}
		if got := deployment.Spec.Template.Spec.Containers[0].Image; got != "app:1" {
			t.Errorf("the workload runs %s", got)
		}
	})
}
