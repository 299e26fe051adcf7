package notify

import "testing"

func FuzzNothingInAConfigMapOrAnAnnotationBreaksAPlan(f *testing.F) {
	f.Add("- send: [t]\n  when: 'true'\n  oncePer: rollout.spec", "message: '{{.rollout}}'", "token: $a.b", "a;b", `{"due":[{"id":"i"}],"once":{"a":"b"}}`)
	f.Add("- {send: [t]}", "webhook: {s: {body: '{{range until 9}}{{.}}{{end}}'}}", "url: $", "- trigger: [on-x]\n  destinations: [{service: s}]", "{")
	f.Add("[{send: [t], when: 'all(1..9, # > 0)'}]", "{slack: {attachments: x}, alertmanager: {labels: {a: '{{fail \"x\"}}'}}}", "[]", "", "null")
	f.Fuzz(func(t *testing.T, trigger, template, service, annotation, record string) {
		c := Parse(map[string]string{
			"trigger.on-x": trigger, "template.t": template, "service.slack.s": service, "service.webhook": service, "subscriptions": annotation, "defaultTriggers": trigger,
		}, map[string][]byte{"a": []byte("value")})
		annotations := map[string]string{annotationSubscribe + "on-x.s": annotation, annotationSubscriptions: annotation, AnnotationNotified: record}
		before, _, _ := ReadRecord(annotations) // a bad one counts as none
		who, _ := c.SubscribersOf(nil, annotations)
		next, _ := c.Plan(before, who, all, []Event{event("X", 1, annotation)})
		if len(next.Due) > MaxDue {
			t.Errorf("%d messages are due", len(next.Due))
		}
		text, err := next.Text()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := ReadRecord(map[string]string{AnnotationNotified: text}); text != "" && err != nil {
			t.Errorf("its own record cannot be read: %v", err)
		}
		for _, due := range next.Due[:min(len(next.Due), 3)] {
			if _, err := c.Compose(due, event("X", 1, "").Vars, moment); err != nil && err.Error() == "" {
				t.Error("an error says nothing")
			}
		}
	})
}
