package notify

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// Names of the wire contract; both objects are in the namespace of the controller.
const (
	ConfigMapName = "argo-rollouts-notification-configmap"
	SecretName    = "argo-rollouts-notification-secret"
)

// Config is what an administrator has set up.
type Config struct {
	Services  map[string]Service
	Triggers  map[string][]Condition
	Templates map[string]Template
	// Subscriptions are for every Rollout that they select.
	Subscriptions []Subscription
	// DefaultTriggers serve subscriptions that name none; ServiceTriggers do so for one service, and come first.
	DefaultTriggers []string
	ServiceTriggers map[string][]string
	// Problems tell by the key of the ConfigMap what cannot be used, without any value.
	Problems map[string]string
}

// Service is a way to send.
type Service struct {
	// Kind is such as slack or webhook.
	Kind string
	// Options are the YAML of the ConfigMap, with what the Secret holds in place of $keys.
	Options []byte
	// Secrets are the values that were put in; nobody may see them.
	Secrets []string
}

// Condition is one entry of a trigger.
type Condition struct {
	// When is an expression over the Rollout; without it the entry always holds.
	When string `json:"when,omitempty"`
	// OncePer is an expression; while its value is the same, nothing is sent again to the same recipient.
	OncePer     string   `json:"oncePer,omitempty"`
	Send        []string `json:"send,omitempty"`
	Description string   `json:"description,omitempty"`
}

// Subscription is one entry of the key subscriptions.
type Subscription struct {
	// Recipients are such as slack:channel.
	Recipients []string
	Triggers   []string
	Selector   labels.Selector
}

// NeedsSecret reports whether a service refers to the Secret.
func NeedsSecret(data map[string]string) bool {
	for key, value := range data {
		if strings.HasPrefix(key, "service.") && reference.MatchString(value) {
			return true
		}
	}
	return false
}

// Parse reads a ConfigMap and the Secret beside it.
func Parse(data map[string]string, secret map[string][]byte) *Config {
	c := &Config{
		Services: map[string]Service{}, Triggers: map[string][]Condition{}, Templates: map[string]Template{},
		ServiceTriggers: map[string][]string{}, Problems: map[string]string{},
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if err := c.read(key, data[key], secret); err != nil {
			c.Problems[key] = err.Error()
		}
	}
	return c
}

func (c *Config) read(key, text string, secret map[string][]byte) error {
	part, name, _ := strings.Cut(key, ".")
	switch {
	case key == "subscriptions":
		return c.readSubscriptions(text)
	case key == "defaultTriggers":
		return yaml.Unmarshal([]byte(text), &c.DefaultTriggers)
	case name == "":
		return nil // such as context: it belongs to other programs that use the same format
	}
	switch part {
	case "defaultTriggers":
		var triggers []string
		err := yaml.Unmarshal([]byte(text), &triggers)
		c.ServiceTriggers[name] = triggers
		return err
	case "trigger":
		var conditions []Condition
		if err := yaml.Unmarshal([]byte(text), &conditions); err != nil {
			return err
		}
		c.Triggers[name] = conditions
	case "template":
		var t Template
		if err := yaml.Unmarshal([]byte(text), &t); err != nil {
			return err
		}
		c.Templates[name] = t
	case "service":
		return c.readService(name, text, secret)
	}
	return nil
}

func (c *Config) readSubscriptions(text string) error {
	var list []struct {
		Recipients []string `json:"recipients"`
		Triggers   []string `json:"triggers"`
		Selector   string   `json:"selector"`
	}
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		return err
	}
	for i, s := range list {
		selector, err := labels.Parse(s.Selector)
		if err != nil {
			return fmt.Errorf("entry %d: selector %q: %w", i, s.Selector, err)
		}
		c.Subscriptions = append(c.Subscriptions, Subscription{Recipients: s.Recipients, Triggers: s.Triggers, Selector: selector})
	}
	return nil
}

// readService takes service.<kind> and service.<kind>.<name>; the name is what recipients and subscriptions say. The YAML is read before
// values of the Secret are put in, so that none of them is taken for YAML, and no error repeats one.
func (c *Config) readService(name, text string, secret map[string][]byte) error {
	kind, own, named := strings.Cut(name, ".")
	if named {
		name = own
	}
	if _, twice := c.Services[name]; twice {
		return fmt.Errorf("there is another service of the name %s", name)
	}
	var tree any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		return err
	}
	f := filling{from: secret}
	options, err := yaml.Marshal(f.fill(tree))
	if err != nil {
		return err
	}
	if len(f.missing) > 0 {
		return fmt.Errorf("secret %s has no key for %s", SecretName, strings.Join(f.missing, ", "))
	}
	c.Services[name] = Service{Kind: kind, Options: options, Secrets: f.used}
	return nil
}

// WhyNot says why there is no service of a name.
func (c *Config) WhyNot(service string) string {
	for key, why := range c.Problems {
		if rest, ok := strings.CutPrefix(key, "service."); ok && (rest == service || strings.HasSuffix(rest, "."+service)) {
			return key + " cannot be used: " + why
		}
	}
	return "the ConfigMap " + ConfigMapName + " has no service." + service + " and no service.<kind>." + service
}

// reference is a key of the Secret as services write it.
var reference = regexp.MustCompile(`\$[-\w]+(\.[-\w]+)*`)

// filling puts values of the Secret in place of references. One without a value is missing where it is the whole text; within a text it may
// be no reference at all, and stays as it is.
type filling struct {
	from    map[string][]byte
	used    []string
	missing []string
}

func (f *filling) fill(value any) any {
	switch v := value.(type) {
	case string:
		filled := reference.ReplaceAllStringFunc(v, f.value)
		if filled == v && reference.FindString(v) == v && v != "" {
			f.missing = append(f.missing, v)
		}
		return filled
	case []any:
		for i := range v {
			v[i] = f.fill(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = f.fill(v[key])
		}
	}
	return value
}

// value finds the longest key that a reference can mean, as a dot may also belong to the text behind it.
func (f *filling) value(reference string) string {
	for name := reference[1:]; ; {
		if data, ok := f.from[name]; ok {
			value := strings.TrimSpace(string(data))
			f.used = append(f.used, value)
			return value + reference[1+len(name):]
		}
		dot := strings.LastIndex(name, ".")
		if dot < 0 {
			return reference
		}
		name = name[:dot]
	}
}
