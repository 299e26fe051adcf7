package notify

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func composed(t *testing.T, templates map[string]string, kind string, names ...string) (Message, error) {
	t.Helper()
	data := map[string]string{"service." + kind + ".s": "{}"}
	for name, text := range templates {
		data["template."+name] = text
	}
	c := Parse(data, nil)
	if len(c.Problems) > 0 {
		t.Fatal(c.Problems)
	}
	vars := map[string]any{"rollout": map[string]any{"metadata": map[string]any{"name": "web"}}}
	return c.Compose(Due{Service: "s", Recipient: "r", Templates: names}, vars, moment)
}

func TestATemplateFillsInTheFieldsOfItsService(t *testing.T) {
	text := map[string]string{"t": `
message: "{{.rollout.metadata.name | upper}} to {{.recipient}} by {{.serviceType}}"
email: {subject: "about {{.rollout.metadata.name}}", body: b}
slack: {attachments: '[{"title": "{{.rollout.metadata.name}}"}]', groupingKey: "{{.rollout.metadata.name}}", notifyBroadcast: true, deliveryPolicy: Update}
webhook: {s: {method: POST, path: "/{{.rollout.metadata.name}}", body: "{}"}, other: {body: "{{fail \"no\"}}"}}
alertmanager: {labels: {name: "{{.rollout.metadata.name}}"}, annotations: {a: b}, generatorURL: u}
`}
	for kind, want := range map[string]Template{
		"email":        {Email: Email{Subject: "about web", Body: "b"}},
		"slack":        {Slack: Slack{Attachments: `[{"title": "web"}]`, GroupingKey: "web", NotifyBroadcast: true, DeliveryPolicy: "Update"}},
		"webhook":      {Webhook: map[string]Webhook{"s": {Method: "POST", Path: "/web", Body: "{}"}}},
		"alertmanager": {Alertmanager: Alertmanager{Labels: map[string]string{"name": "web"}, Annotations: map[string]string{"a": "b"}, GeneratorURL: "u"}},
	} {
		t.Run(kind, func(t *testing.T) {
			want.Message = "WEB to r by s"
			m, err := composed(t, text, kind, "t")
			if diff := cmp.Diff(want, m.Template); diff != "" || err != nil {
				t.Errorf("%s, error %v", diff, err)
			}
		})
	}
}

func TestTheLastOfSeveralTemplatesWins(t *testing.T) {
	m, err := composed(t, map[string]string{"a": "{message: a, email: {subject: a}}", "b": "{message: b}"}, "email", "a", "b")
	if err != nil || m.Template.Message != "b" || m.Email.Subject != "a" {
		t.Errorf("%+v, error %v", m, err)
	}
}

func TestATemplateThatCannotBeFilledInSaysWhere(t *testing.T) {
	loop := `{{range until 100000}}{{range until 100000}}{{end}}{{end}}`
	for name, test := range map[string]struct{ text, want string }{
		"a function that does not exist": {"{{nope}}", `function "nope" not defined`},
		"the environment":                {`{{env "PATH"}}`, "cannot be used"},
		"a failure":                      {`{{fail "because"}}`, "because"},
		"a loop":                         {loop, "steps"},
		"a text without end":             {`{{range until 1000}}{{repeat 1000 "0123456789"}}{{end}}`, "grows beyond"},
		"a call of itself":               {`{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`, "calls itself"},
		"no end":                         {"{{if true}}", "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := composed(t, map[string]string{"t": "message: '" + test.text + "'"}, "email", "t")
			if err == nil || !strings.Contains(err.Error(), "template.t.message") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if _, err := composed(t, nil, "email", "none"); err == nil || !strings.Contains(err.Error(), "no template.none") {
		t.Errorf("the error is %v", err)
	}
}
