package notification

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/notify"
)

func TestSubscribersWhoWaitInVainAreToldWhy(t *testing.T) {
	for name, test := range map[string]struct {
		annotations map[string]string
		change      func(*Outbox, *world)
		want        string
	}{
		"none":             {map[string]string{onStep + "slack": "a"}, nil, "there is no ConfigMap home/argo-rollouts-notification-configmap"},
		"no namespace":     {map[string]string{onStep + "slack": "a"}, func(o *Outbox, _ *world) { o.Namespace = "" }, "does not know its own namespace"},
		"no right":         {map[string]string{onStep + "slack": "a"}, func(o *Outbox, w *world) { o.Live = forbidding{w.client} }, "apply config/rbac/notification_role.yaml"},
		"nobody asked for": {nil, nil, ""},
		"another trigger":  {map[string]string{"on-rollout-complete.slack": "a"}, func(o *Outbox, w *world) { o.Live = others{w.client} }, "has no trigger.on-rollout-complete"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.annotations, nil)
			p := w.start()
			if test.change != nil {
				test.change(p.Outbox, w)
			}
			w.step(p, 1)
			w.settled(p)
			p.stop()
			if events := w.told(); !strings.Contains(events, test.want) || test.want == "" && events != "" || len(w.messages()) > 0 {
				t.Errorf("sent %q, events %q", w.messages(), events)
			}
		})
	}
}

// others have a ConfigMap with other triggers.
type others struct{ client.Client }

func (s others) Get(_ context.Context, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	o.(*corev1.ConfigMap).Data = map[string]string{"trigger.on-rollout-completed": "- send: [step]"}
	return nil
}

// forbidding has no right to read ConfigMaps and Secrets.
type forbidding struct{ client.Client }

func (f forbidding) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	switch o.(type) {
	case *corev1.ConfigMap, *corev1.Secret:
		return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, key.Name, errors.New("no"))
	}
	return f.Client.Get(ctx, key, o, opts...)
}

func TestASecretThatMayNotBeReadIsNamed(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a", onStep + "webhook": ""}, config)
	p := w.start()
	p.Live = halfForbidding{w.client}
	w.step(p, 1)
	w.settled(p, "webhook: step 1")
	w.waitFor("it is told", func() bool { return strings.Contains(w.told(), "apply config/rbac/optional_notification_secret.yaml") })
}

// halfForbidding has no right to read Secrets.
type halfForbidding struct{ client.Client }

func (f halfForbidding) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if _, secret := o.(*corev1.Secret); secret {
		return forbidding(f).Get(ctx, key, o, opts...)
	}
	return f.Client.Get(ctx, key, o, opts...)
}

func TestTheConfigMapIsReadAgainWhenItChanges(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, config)
	p := w.start()
	w.step(p, 1)
	w.settled(p, "slack:a step 1")
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: notify.ConfigMapName}, Data: with(map[string]string{"template.step": "message: other"})}
	if err := w.client.Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	w.advance(freshFor)
	w.step(p, 2)
	w.settled(p, "slack:a step 1", "slack:a other")
}

func TestTemplatesAndConditionsSeeTheRolloutAndItsRunsButNoRecord(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, with(map[string]string{
		"trigger.on-rollout-step-completed": "- when: len(analysisRuns) == 1 && time.Now().Year() == 2026 && time.Parse('2025-01-01T00:00:00Z').Year() == 2025\n  send: [step]",
		"template.step":                     `message: '{{.rollout.kind}} {{(index .analysisRuns 0).metadata.name}} {{len .rollout.metadata.annotations}} {{(call .time.Now).Year}}'`,
	}))
	for name, owner := range map[string]types.UID{"mine": "uid-1", "foreign": "uid-9"} {
		run := &v1alpha1.AnalysisRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "Rollout", Name: "web", UID: owner, Controller: ptr.To(true)}}}}
		if err := w.client.Create(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	p := w.start()
	w.step(p, 1)
	w.settled(p, "slack:a Rollout mine 1 2026")
}

func TestTemplatesSeeTheImagesOfARollout(t *testing.T) {
	w := newWorld(t, map[string]string{onStep + "slack": "a"}, with(map[string]string{
		"template.step": `message: '{{range $i, $c := .rollout.spec.template.spec.containers}}{{if $i}}, {{end}}{{$c.name}} {{$c.image}}{{end}}{{if .rollout.spec.strategy.canary}} by canary{{end}}'`,
	}))
	w.edit(func(r *v1alpha1.Rollout) {
		r.Spec.Template.Raw = []byte(`{"spec":{"containers":[{"name":"app","image":"app:v2"},{"name":"proxy","image":"proxy:v1"}]}}`)
	})
	p := w.start()
	w.step(p, 1)
	w.settled(p, "slack:a app app:v2, proxy proxy:v1 by canary")
}
