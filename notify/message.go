package notify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluice-delivery/sluice/gitsync/generate/sandbox"
)

// Template is what a message says; every text is a text/template. A Message is a Template that was filled in.
type Template struct {
	Message string `json:"message,omitempty"`
	Email   Email  `json:"email,omitempty"`
	Slack   Slack  `json:"slack,omitempty"`
	// Webhook is by the name of the service.
	Webhook      map[string]Webhook `json:"webhook,omitempty"`
	Alertmanager Alertmanager       `json:"alertmanager,omitempty"`
}

// Email is what only mail has.
type Email struct {
	Subject string `json:"subject,omitempty"`
	// Body is Template.Message if empty.
	Body string `json:"body,omitempty"`
}

// Slack is what only Slack has.
type Slack struct {
	Username string `json:"username,omitempty"`
	Icon     string `json:"icon,omitempty"`
	// Attachments and Blocks are JSON.
	Attachments string `json:"attachments,omitempty"`
	Blocks      string `json:"blocks,omitempty"`
	// GroupingKey puts messages that have the same one into one thread.
	GroupingKey     string `json:"groupingKey,omitempty"`
	NotifyBroadcast bool   `json:"notifyBroadcast,omitempty"`
	// DeliveryPolicy is Post, PostAndUpdate or Update; empty means Post.
	DeliveryPolicy string `json:"deliveryPolicy,omitempty"`
}

// Webhook is a request.
type Webhook struct {
	// Method is GET if empty, and Body is Template.Message.
	Method string `json:"method,omitempty"`
	Body   string `json:"body,omitempty"`
	// Path is appended to the URL of the service.
	Path string `json:"path,omitempty"`
}

// Alertmanager is an alert.
type Alertmanager struct {
	Labels       map[string]string `json:"labels,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// Message is what a Sender delivers.
type Message struct {
	Template
	// ID tells a message from all others; it is the same whenever this one is sent.
	ID string
	// Service is the name of the service, which chooses the Webhook.
	Service string
	// At is when it became due.
	At time.Time
	// Recipient is such as a channel or an address; services that need none have an empty one.
	Recipient string
}

// Sender delivers messages of one service. It is safe for concurrent use.
type Sender interface {
	// Send delivers a message, or explains with a *Failure or another error why not. Errors hold no secret that the Sender knows of.
	Send(ctx context.Context, m Message) error
}

// Failure says how to go on after a message was not delivered. Any other error is worth another try.
type Failure struct {
	Err error
	// Final is true if another try would fail as well.
	Final bool
	// Wait is how long the other side asks to be left alone; zero if it does not say.
	Wait time.Duration
}

// Error implements error.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap implements the unwrapping of errors.
func (f *Failure) Unwrap() error { return f.Err }

// Compose fills in the templates of a message. Where several templates have the same field, the last one wins. Only fields of its kind of
// service are looked at, so that an error elsewhere in a template keeps nothing else from being sent.
func (c *Config) Compose(d Due, vars map[string]any, now time.Time) (Message, error) {
	box, err := sandbox.New(sandbox.Options{GoTemplate: true, Now: now})
	if err != nil {
		return Message{}, err
	}
	service := c.Services[d.Service]
	vars = maps.Clone(vars)
	vars["recipient"], vars["serviceType"] = d.Recipient, d.Service
	m := Message{Service: d.Service, At: d.Since(), Recipient: d.Recipient}
	for _, name := range d.Templates {
		t, ok := c.Templates[name]
		if !ok {
			return Message{}, fmt.Errorf("the ConfigMap has no template.%s", name)
		}
		f := &fill{box: box, vars: vars, name: "template." + name}
		f.template(&m.Template, t, d.Service, service.Kind)
		if f.err != nil {
			return Message{}, f.err
		}
	}
	return m, nil
}

// fill renders the texts of one template; the first error ends it.
type fill struct {
	box  *sandbox.Sandbox
	vars map[string]any
	name string
	err  error
}

// text writes a rendered text; one that the template does not have leaves what is there.
func (f *fill) text(to *string, text, at string) {
	if f.err != nil || text == "" {
		return
	}
	*to, f.err = f.box.Text(text, f.vars, f.name+"."+at)
}

func (f *fill) template(to *Template, t Template, service, kind string) {
	f.text(&to.Message, t.Message, "message")
	switch kind {
	case "email":
		f.text(&to.Email.Subject, t.Email.Subject, "email.subject")
		f.text(&to.Email.Body, t.Email.Body, "email.body")
	case "slack":
		f.slack(&to.Slack, t.Slack)
	case "webhook":
		f.webhook(to, t.Webhook, service)
	case "alertmanager":
		f.texts(&to.Alertmanager.Labels, t.Alertmanager.Labels, "alertmanager.labels")
		f.texts(&to.Alertmanager.Annotations, t.Alertmanager.Annotations, "alertmanager.annotations")
		f.text(&to.Alertmanager.GeneratorURL, t.Alertmanager.GeneratorURL, "alertmanager.generatorURL")
	}
}

func (f *fill) slack(to *Slack, s Slack) {
	f.text(&to.Username, s.Username, "slack.username")
	f.text(&to.Icon, s.Icon, "slack.icon")
	f.text(&to.Attachments, s.Attachments, "slack.attachments")
	f.text(&to.Blocks, s.Blocks, "slack.blocks")
	f.text(&to.GroupingKey, s.GroupingKey, "slack.groupingKey")
	to.NotifyBroadcast = to.NotifyBroadcast || s.NotifyBroadcast
	if s.DeliveryPolicy != "" {
		to.DeliveryPolicy = s.DeliveryPolicy
	}
}

func (f *fill) webhook(to *Template, all map[string]Webhook, service string) {
	from, ok := all[service]
	if !ok {
		return
	}
	w := to.Webhook[service]
	f.text(&w.Method, from.Method, "webhook."+service+".method")
	f.text(&w.Body, from.Body, "webhook."+service+".body")
	f.text(&w.Path, from.Path, "webhook."+service+".path")
	to.Webhook = map[string]Webhook{service: w}
}

func (f *fill) texts(to *map[string]string, from map[string]string, at string) {
	if len(from) > 0 && *to == nil {
		*to = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(from)) {
		value := ""
		f.text(&value, from[key], at+"."+key)
		(*to)[key] = value
	}
}
