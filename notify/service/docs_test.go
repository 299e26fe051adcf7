package service

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/notify"
)

func TestTheExamplesOfTheNotificationsPageWork(t *testing.T) {
	page, err := os.ReadFile("../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	secret := map[string][]byte{}
	for _, key := range []string{"slack-token", "mail-user", "mail-password", "deploys-token"} {
		secret[key] = []byte(canary)
	}
	messages := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		var m corev1.ConfigMap
		if err := yaml.Unmarshal([]byte(block[1]), &m); err != nil {
			t.Fatalf("%v in\n%s", err, block[1])
		}
		if m.Kind != "ConfigMap" {
			continue
		}
		messages += tryOut(t, notify.Parse(m.Data, secret))
	}
	if messages < 8 {
		t.Errorf("the page has examples of only %d messages", messages)
	}
}

// tryOut makes each service, and each message of each trigger for each service.
func tryOut(t *testing.T, c *notify.Config) (messages int) {
	t.Helper()
	rollout := map[string]any{
		"metadata": map[string]any{"name": "web", "namespace": "shop", "labels": map[string]any{}},
		"spec":     map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"image": "app:v1"}}}}},
		"status":   map[string]any{"phase": "Healthy", "message": "", "currentStepIndex": int64(1), "currentPodHash": "abc"},
	}
	vars := map[string]any{"rollout": rollout}
	known := func(service string) error {
		_, err := New(c.Services[service].Kind, c.Services[service].Options)
		return err
	}
	who := notify.Subscribers{}
	var events []notify.Event
	for trigger := range c.Triggers {
		for service := range c.Services {
			who[trigger] = append(who[trigger], notify.Destination{Service: service, Recipient: "you@example.com"})
		}
		reason := ""
		for word := range strings.SplitSeq(strings.TrimPrefix(trigger, "on-"), "-") {
			reason += strings.ToUpper(word[:1]) + word[1:]
		}
		events = append(events, notify.Event{Transition: notify.Transition{Reason: reason}, At: time.Unix(0, 0), Vars: vars})
	}
	if unset := c.Unset(who); len(unset) > 0 || len(c.Problems) > 0 {
		t.Errorf("%v %v", unset, c.Problems)
	}
	plan, problems := c.Plan(notify.Record{}, who, known, events)
	if len(problems) > 0 || len(plan.Due) < len(events)*len(c.Services) {
		t.Errorf("%d messages, problems %v", len(plan.Due), problems)
	}
	for _, due := range plan.Due {
		m, err := c.Compose(due, vars, time.Unix(0, 0))
		if err != nil || strings.Contains(m.Template.Message+m.Slack.Attachments, "no value") {
			t.Errorf("%+v: %v", m, err)
		}
		if _, err := raw(m.Slack.Attachments, "slack.attachments"); err != nil {
			t.Error(err)
		}
	}
	return len(plan.Due)
}
