package integration

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/notify"
	"github.com/sluice-delivery/sluice/test/cluster"
	"github.com/sluice-delivery/sluice/test/process"
)

// token is a secret that only the receiver may see.
const token = "s3cr3t-canary-0003"

// receiver is the server of a webhook.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	messages []string
	keys     []string
	strange  []string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil || q.Method != http.MethodPost || q.URL.Path != "/hook/web" || q.Header.Get("Authorization") != "Bearer "+token {
			r.strange = append(r.strange, q.Method+" "+q.URL.Path)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.messages = append(r.messages, string(body))
		r.keys = append(r.keys, q.Header.Get("Idempotency-Key"))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// expect waits for as many messages as are wanted, and until the Rollout remembers none that is due.
func (r *receiver) expect(t *testing.T, o *v1alpha1.Rollout, want ...string) {
	t.Helper()
	await(t, o, "all messages are delivered", func(o *v1alpha1.Rollout) bool {
		record, found, err := notify.ReadRecord(o.Annotations)
		return err == nil && found && len(record.Due) == 0 && len(r.got()) >= len(want)
	})
	if diff := cmp.Diff(want, r.got()); diff != "" || len(r.strange) > 0 {
		t.Errorf("%s, and strange requests %q", diff, r.strange)
	}
}

// notifications sets up a webhook as an administrator does.
func notifications(t *testing.T, url string) {
	t.Helper()
	rights, err := readObjects(filepath.Join(cluster.Repository(), "config", "rbac", "optional_notification_secret.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects := []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: notify.SecretName}, Data: map[string][]byte{"hook-token": []byte(token + "\n")}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: notify.ConfigMapName}, Data: map[string]string{
			"service.webhook.receiver": "url: " + url + "/hook\nheaders:\n- name: Authorization\n  value: Bearer $hook-token\n",
		}},
	}
	data := objects[1].(*corev1.ConfigMap).Data
	for trigger, text := range map[string]string{
		"rollout-updated": "updated", "rollout-completed": "completed", "rollout-paused": "paused", "rollout-aborted": "aborted",
		"rollout-step-completed": "step {{.rollout.status.currentStepIndex}} of",
	} {
		data["trigger.on-"+trigger] = "- send: [" + trigger + "]"
		data["template."+trigger] = "webhook:\n  receiver:\n    method: POST\n    path: /{{.rollout.metadata.name}}\n    body: " + text +
			` {{index .rollout.metadata.annotations "rollout.argoproj.io/revision"}}` + "\n"
	}
	for _, o := range rights {
		objects = append(objects, o)
	}
	create(t, objects...)
	t.Cleanup(func() {
		for _, o := range objects {
			if err := suite.admin.Delete(context.Background(), o); err != nil {
				t.Logf("removing %s: %v", o.GetName(), err)
			}
		}
	})
}

// notified is the instance of the controllers that are restarted, so that the suite's is left alone.
const notified = "notified"

// serving runs one of them.
func serving(t *testing.T, name string) (p *process.Process, metrics string) {
	t.Helper()
	p, metrics, err := startController(t.Context(), name, notified)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.End(); err != nil {
			t.Error(err)
		}
	})
	return p, metrics
}

func TestEachMessageOfAReleaseArrivesOnceThoughTheControllerIsRestartedAndKilled(t *testing.T) {
	hook := newReceiver(t)
	notifications(t, hook.URL)
	first, _ := serving(t, "notifying-1")
	namespace := newNamespace(t)
	steps := append(weights(25), hold)
	r := basic(namespace, "web", 4, append(steps, weights(50)...)...)
	r.Labels = map[string]string{v1alpha1.LabelInstanceID: notified}
	r.Annotations = map[string]string{}
	for _, trigger := range []string{"updated", "step-completed", "paused", "completed", "aborted"} {
		r.Annotations["notifications.argoproj.io/subscribe.on-rollout-"+trigger+".receiver"] = ""
	}
	create(t, r)
	await(t, r, "the first revision serves", healthy)
	want := []string{"updated 1", "completed 1"}
	hook.expect(t, r, want...)

	edit(t, r, func(r *v1alpha1.Rollout) { r.Spec.Template = template("app:v2") })
	await(t, r, "it pauses", paused)
	if err := first.Stop(); err != nil { // with whatever is on its way at this moment
		t.Fatal(err)
	}
	second, metrics := serving(t, "notifying-2")
	want = append(want, "updated 2", "step 1 of 2", "paused 2")
	looked(t, r, metrics)
	hook.expect(t, r, want...)

	if err := syscall.Kill(second.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-second.Ended()
	command(t, r, `{"status":{"pauseConditions":null}}`)
	third, _ := serving(t, "notifying-3")
	await(t, r, "the second revision serves", healthy)
	want = append(want, "step 2 of 2", "step 3 of 2", "completed 2")
	hook.expect(t, r, want...)

	if err := third.Stop(); err != nil {
		t.Fatal(err)
	}
	fourth, metrics := serving(t, "notifying-4")
	looked(t, r, metrics)
	if err := fourth.Stop(); err != nil { // which notes whatever it would have told
		t.Fatal(err)
	}
	hook.expect(t, r, want...)
	seen := slices.Sorted(slices.Values(hook.keys))
	if n := len(slices.Compact(seen)); n != len(want) {
		t.Errorf("%d messages have %d keys", len(want), n)
	}
	for _, p := range []*process.Process{first, second, third, fourth} {
		if output := (running{p}).output(); strings.Contains(output, token) {
			t.Errorf("the secret is in the log of %s", p.Name())
		}
	}
	noSecretInEvents(t, namespace)
}

// looked waits until a controller has looked at the Rollout, by the count of its passes.
func looked(t *testing.T, r *v1alpha1.Rollout, metrics string) {
	t.Helper()
	await(t, r, "the controller has looked at it", func(r *v1alpha1.Rollout) bool {
		answer, err := http.Get("http://" + metrics + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		page, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(page), `rollout_reconcile_count{name="web",namespace="`+r.Namespace+`"}`)
	})
}

func noSecretInEvents(t *testing.T, namespace string) {
	t.Helper()
	var events corev1.EventList
	if err := suite.admin.List(t.Context(), &events, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	for _, e := range events.Items {
		if strings.Contains(e.Message, token) || e.Reason == "NotificationFailed" {
			t.Errorf("there is an event %s: %s", e.Reason, e.Message)
		}
	}
}
