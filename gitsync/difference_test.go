package gitsync

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

const bird = "tweety-the-canary"

const birdcage = `
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: prod}
stringData: {key: "` + bird + `", other: same}
`

func (w *world) compared(t *testing.T) Comparison {
	t.Helper()
	c, err := Compare(w.observation())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func outlineOf(c Comparison) (all []string) {
	for _, d := range c.Differences {
		all = append(all, fmt.Sprintf("%s want:%t have:%t %s", title(d.Key), d.Want != "", d.Have != "", d.Problem))
	}
	return all
}

func TestAComparisonTellsWhatASyncWouldDo(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", docs(config, deployment, manifest("ConfigMap", "dropped")))
	w.settle(t)
	if got := w.compared(t); len(got.Differences) > 0 || len(got.Wanted) != 3 || len(got.Living) != 3 || got.Revisions[0] != "aaaa" {
		t.Errorf("at rest: %v, %d wanted, %d living", outlineOf(got), len(got.Wanted), len(got.Living))
	}
	w.push("bbbb", docs(strings.Replace(config, `"1"`, `"2"`, 1), deployment, manifest("ConfigMap", "new"), manifest("Job", "hook", "hook=PreSync")))
	got := w.compared(t)
	want := []string{"ConfigMap prod/dropped want:false have:true ", "ConfigMap prod/new want:true have:false ", "ConfigMap prod/settings want:true have:true "}
	if diff := cmp.Diff(want, outlineOf(got)); diff != "" {
		t.Error(diff)
	}
	if len(got.Wanted) != 4 {
		t.Errorf("%d manifests are wanted", len(got.Wanted))
	}
	if last := got.Differences[2]; !strings.Contains(last.Want, `a: "2"`) || !strings.Contains(last.Have, `a: "1"`) || strings.Contains(last.Have, "resourceVersion") {
		t.Errorf("want\n%s\nhave\n%s", last.Want, last.Have)
	}
}

func TestAComparisonSaysWhatWouldBeRefused(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", docs(config))
	w.settle(t)
	w.push("bbbb", docs(strings.Replace(config, `"1"`, `"2"`, 1)))
	w.invalid[Key{"", "ConfigMap", "prod", "settings"}] = "too large"
	if diff := cmp.Diff([]string{"ConfigMap prod/settings want:true have:true too large"}, outlineOf(w.compared(t))); diff != "" {
		t.Error(diff)
	}
	w.head = "gone"
	if _, err := Compare(w.observation()); err == nil || !strings.Contains(err.Error(), "there is no revision gone") {
		t.Errorf("error %v", err)
	}
}

func TestAComparisonMasksSecrets(t *testing.T) {
	w := newWorld(automated)
	w.push("aaaa", docs(birdcage))
	w.settle(t)
	w.push("bbbb", docs(strings.Replace(birdcage, bird, bird+"-2", 1), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: careless, namespace: prod}\ndata: {copy: '"+bird+"-2'}"))
	w.invalid[Key{"", "ConfigMap", "prod", "careless"}] = "what is " + bird + "-2?"
	got := w.compared(t)
	if len(got.Differences) != 2 {
		t.Fatalf("differences %v", outlineOf(got))
	}
	text := fmt.Sprintf("%+v", got)
	for _, form := range []string{bird, "dHdlZXR5LXRoZS1jYW5hcnk"} {
		if strings.Contains(text, form) {
			t.Errorf("%s is told:\n%s", form, text)
		}
	}
	secret := got.Differences[1]
	if !strings.Contains(secret.Want, "key: ++++++++\n") || !strings.Contains(secret.Have, "key: ++++++++++++\n") || !strings.Contains(secret.Have, "other: ++++++++\n") {
		t.Errorf("one cannot see which value differs:\n%s%s", secret.Want, secret.Have)
	}
}

func TestTheLabelOfAnOlderInstallationStaysSoThatNoPodBeginsAnew(t *testing.T) {
	const plain = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: prod}\nspec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: \"web:1\"}]}}}\n"
	labelled := parse(strings.ReplaceAll(plain, "namespace: prod", "namespace: prod, labels: {app.kubernetes.io/instance: shop}"))[0]
	if err := unstructured.SetNestedField(labelled.Object, "shop", "spec", "template", "metadata", "labels", gitopsv1.LabelInstance); err != nil {
		t.Fatal(err)
	}
	last, err := json.Marshal(labelled.Object)
	if err != nil {
		t.Fatal(err)
	}
	labelled.SetAnnotations(map[string]string{gitopsv1.AnnotationLastApplied: string(last)})
	w := newWorld(automated)
	w.put(labelled, nil)
	w.push("aaaa", plain)
	if got := outlineOf(w.compared(t)); len(got) > 0 {
		t.Errorf("what the older installation brought differs: %v", got)
	}
	w.push("bbbb", strings.ReplaceAll(plain, "web:1", "web:2"))
	w.settle(t)
	after := w.objects[key("apps", "Deployment", "web")]
	if label, _, _ := unstructured.NestedString(after.Object, "spec", "template", "metadata", "labels", gitopsv1.LabelInstance); label != "shop" {
		t.Errorf("the label of the pods is %q after a sync", label)
	}
}
