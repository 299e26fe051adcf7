package notify

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOneBadKeySpoilsItselfAlone(t *testing.T) {
	c := Parse(map[string]string{
		"trigger.on-good":    "- send: [good]\n  when: 'true'\n",
		"trigger.on-bad":     "- send: {",
		"template.good":      "message: hello",
		"template.bad":       "message: [1]",
		"service.webhook.ok": "url: http://h",
		"service.slack":      "token: $missing",
		"service.email.bad":  ": :",
		"subscriptions":      "- recipients: [slack:x]\n  selector: 'a in ('\n",
		"defaultTriggers":    "[on-good]",
		"context":            "x: y",
	}, nil)
	if diff := cmp.Diff([]string{"service.email.bad", "service.slack", "subscriptions", "template.bad", "trigger.on-bad"}, slices.Sorted(maps.Keys(c.Problems))); diff != "" {
		t.Error(diff)
	}
	if len(c.Triggers["on-good"]) != 1 || c.Templates["good"].Message != "hello" || c.Services["ok"].Kind != "webhook" || !slices.Equal(c.DefaultTriggers, []string{"on-good"}) {
		t.Errorf("what is good was not read: %+v", c)
	}
}

func TestValuesOfTheSecretAreNotTakenForYAML(t *testing.T) {
	secret := map[string][]byte{"token": []byte("a: {b\n"), "a.b": []byte("dotted"), "user": []byte("me")}
	for name, test := range map[string]struct{ options, want string }{
		"a whole text":              {"token: $token", "token: 'a: {b'\n"},
		"within a text":             {"token: Bearer $user!", "token: Bearer me!\n"},
		"in a list":                 {"headers: [{name: X, value: $user}]", "headers:\n- name: X\n  value: me\n"},
		"a key with a dot":          {"token: $a.b", "token: dotted\n"},
		"a dot behind a key":        {"token: $user.com", "token: me.com\n"},
		"a dollar that means none":  {"token: pa$word", "token: pa$word\n"},
		"a number stays one":        {"port: 25", "port: 25\n"},
		"a value that is no string": {"html: true", "html: true\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Parse(map[string]string{"service.x": test.options}, secret)
			if got := string(c.Services["x"].Options); got != test.want || len(c.Problems) > 0 {
				t.Errorf("got %q, problems %v", got, c.Problems)
			}
		})
	}
	if c := Parse(map[string]string{"service.x": "token: Bearer $token"}, secret); !slices.Equal(c.Services["x"].Secrets, []string{"a: {b"}) {
		t.Errorf("the secrets are %q", c.Services["x"].Secrets)
	}
}

func TestAServiceWithoutItsSecretIsNotUsedAndSaysSo(t *testing.T) {
	data := map[string]string{"service.slack": "token: $slack-token", "service.webhook.hook": "basicAuth: {password: $pw}"}
	c := Parse(data, map[string][]byte{"other": nil})
	if !NeedsSecret(data) || NeedsSecret(map[string]string{"service.x": "url: h", "template.x": "$rollout"}) {
		t.Error("it is not known when a Secret is needed")
	}
	for service, want := range map[string]string{"slack": "$slack-token", "hook": "$pw", "none": "no service.none"} {
		if why := c.WhyNot(service); !strings.Contains(why, want) || c.Services[service].Kind != "" {
			t.Errorf("%s: %s", service, why)
		}
	}
}

func TestSubscriptionsInEveryFormOfTheWireContract(t *testing.T) {
	c := Parse(map[string]string{
		"subscriptions":         "- recipients: [slack:all, 'email:a@b']\n  triggers: [on-x]\n- recipients: [hook]\n  selector: team=red\n",
		"defaultTriggers":       "[on-default]",
		"defaultTriggers.teams": "[on-teams]",
	}, nil)
	to := func(service, recipient string) Destination { return Destination{service, recipient} }
	base := []Destination{to("email", "a@b"), to("slack", "all")}
	for name, test := range map[string]struct {
		labels, annotations map[string]string
		want                Subscribers
	}{
		"the ConfigMap's are for all": {want: Subscribers{"on-x": base}},
		"a selector":                  {labels: map[string]string{"team": "red"}, want: Subscribers{"on-x": base, "on-default": {to("hook", "")}}},
		"trigger and service": {
			annotations: map[string]string{"notifications.argoproj.io/subscribe.on-y.slack": " b; a ;; b"},
			want:        Subscribers{"on-x": base, "on-y": {to("slack", "a"), to("slack", "b")}},
		},
		"no recipient": {
			annotations: map[string]string{"notifications.argoproj.io/subscribe.on-y.hook": ""},
			want:        Subscribers{"on-x": base, "on-y": {to("hook", "")}},
		},
		"the same twice": {
			annotations: map[string]string{"notifications.argoproj.io/subscribe.on-x.slack": "all"},
			want:        Subscribers{"on-x": base},
		},
		"a service alone has the default triggers": {
			annotations: map[string]string{"notifications.argoproj.io/subscribe.slack": "a", "notifications.argoproj.io/subscribe.teams": "t"},
			want:        Subscribers{"on-x": base, "on-default": {to("slack", "a")}, "on-teams": {to("teams", "t")}},
		},
		"a list": {
			annotations: map[string]string{"notifications.argoproj.io/subscriptions": "- trigger: [on-y, on-z]\n  destinations:\n  - service: slack\n    recipients: [a]\n  - service: hook\n"},
			want:        Subscribers{"on-x": base, "on-y": {to("hook", ""), to("slack", "a")}, "on-z": {to("hook", ""), to("slack", "a")}},
		},
		"other annotations": {annotations: map[string]string{"example.com/subscribe.on-y.slack": "a"}, want: Subscribers{"on-x": base}},
	} {
		t.Run(name, func(t *testing.T) {
			got, problems := c.SubscribersOf(test.labels, test.annotations)
			if diff := cmp.Diff(test.want, got); diff != "" || len(problems) > 0 {
				t.Errorf("%s, problems %v", diff, problems)
			}
		})
	}
}

func TestSubscriptionsThatCannotWorkAreToldApart(t *testing.T) {
	for name, test := range map[string]struct{ key, value, want string }{
		"no trigger and no default":  {"subscribe.slack", "a", "names no trigger"},
		"a recipient without end":    {"subscribe.on-x.slack", strings.Repeat("a", maxRecipient+1), "bytes, more than"},
		"too many recipients":        {"subscribe.on-x.slack", manyRecipients(), "only the first 50"},
		"a list that is none":        {"subscriptions", "{", "cannot be read"},
		"a list without destination": {"subscriptions", "- trigger: [on-x]", "names no destinations"},
	} {
		t.Run(name, func(t *testing.T) {
			who, problems := Parse(nil, nil).SubscribersOf(nil, map[string]string{annotationGroup + test.key: test.value})
			if len(problems) != 1 || !strings.Contains(problems[0], test.want) || len(who["on-x"]) > maxDestinations {
				t.Errorf("%v", problems)
			}
		})
	}
}

func manyRecipients() string {
	var list []string
	for i := range maxDestinations + 1 {
		list = append(list, strings.Repeat("a", i+1))
	}
	return strings.Join(list, ";")
}
