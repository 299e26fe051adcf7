package notify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// Prefixes of the annotations by which a Rollout subscribes, as the wire contract spells them.
const (
	annotationGroup         = "notifications.argoproj.io/"
	annotationSubscribe     = annotationGroup + "subscribe."
	annotationSubscriptions = annotationGroup + "subscriptions"
)

const (
	// maxDestinations is how many recipients one trigger of one Rollout may have.
	maxDestinations = 50
	// maxRecipient is how long the name of a recipient may be, in bytes.
	maxRecipient = 256
)

// Destination is where a message goes.
type Destination struct {
	Service   string
	Recipient string
}

// String is as subscriptions in the ConfigMap write it.
func (d Destination) String() string {
	if d.Recipient == "" {
		return d.Service
	}
	return d.Service + ":" + d.Recipient
}

// Subscribers are the destinations by trigger; each list is sorted and names none twice.
type Subscribers map[string][]Destination

// Triggers lists the triggers that somebody waits for.
func (s Subscribers) Triggers() []string { return slices.Sorted(maps.Keys(s)) }

// Annotations picks the annotations that subscribe, as one text that changes when they do.
func Annotations(all map[string]string) string {
	var lines []string
	for key, value := range all {
		if strings.HasPrefix(key, annotationGroup) {
			lines = append(lines, key+"="+value+"\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// SubscribersOf finds who is told of an object with these labels and annotations. The second result tells what cannot be read.
func (c *Config) SubscribersOf(set, annotations map[string]string) (Subscribers, []string) {
	b := &book{config: c, all: Subscribers{}}
	for _, s := range c.Subscriptions {
		if !s.Selector.Matches(labels.Set(set)) {
			continue
		}
		for _, recipient := range s.Recipients {
			service, to, _ := strings.Cut(recipient, ":")
			b.add(s.Triggers, service, []string{to})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		switch rest, ok := strings.CutPrefix(key, annotationSubscribe); {
		case ok:
			trigger, service, both := strings.Cut(rest, ".")
			if !both {
				b.add(nil, rest, recipientsOf(annotations[key]))
				continue
			}
			b.add([]string{trigger}, service, recipientsOf(annotations[key]))
		case key == annotationSubscriptions:
			b.readList(annotations[key])
		}
	}
	for trigger, list := range b.all {
		slices.SortFunc(list, func(x, y Destination) int {
			return cmp.Or(cmp.Compare(x.Service, y.Service), cmp.Compare(x.Recipient, y.Recipient))
		})
		list = slices.Compact(list)
		if len(list) > maxDestinations {
			b.problem("trigger %s has %d recipients, and only the first %d are told", trigger, len(list), maxDestinations)
			list = list[:maxDestinations]
		}
		b.all[trigger] = list
	}
	slices.Sort(b.problems)
	return b.all, b.problems
}

// recipientsOf splits the value of an annotation; services such as webhook need no recipient.
func recipientsOf(value string) []string {
	var list []string
	for one := range strings.SplitSeq(value, ";") {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	if len(list) == 0 {
		return []string{""}
	}
	return list
}

// book collects subscribers.
type book struct {
	config   *Config
	all      Subscribers
	problems []string
}

func (b *book) problem(format string, args ...any) {
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

// add subscribes recipients of a service; without triggers to those that the ConfigMap has as default.
func (b *book) add(triggers []string, service string, recipients []string) {
	if len(triggers) == 0 {
		triggers = b.config.ServiceTriggers[service]
	}
	if len(triggers) == 0 {
		triggers = b.config.DefaultTriggers
	}
	if len(triggers) == 0 {
		b.problem("a subscription of service %s names no trigger, and the ConfigMap has no defaultTriggers", service)
	}
	for _, recipient := range recipients {
		if len(recipient) > maxRecipient {
			b.problem("a recipient of service %s has %d bytes, more than %d", service, len(recipient), maxRecipient)
			continue
		}
		for _, trigger := range triggers {
			b.all[trigger] = append(b.all[trigger], Destination{Service: service, Recipient: recipient})
		}
	}
}

// readList reads the annotation that holds several subscriptions.
func (b *book) readList(text string) {
	var list []struct {
		Trigger      []string `json:"trigger"`
		Destinations []struct {
			Service    string   `json:"service"`
			Recipients []string `json:"recipients"`
		} `json:"destinations"`
	}
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		b.problem("the annotation %s cannot be read: %v", annotationSubscriptions, err)
		return
	}
	for i, entry := range list {
		if len(entry.Destinations) == 0 {
			b.problem("entry %d of the annotation %s names no destinations", i, annotationSubscriptions)
		}
		for _, d := range entry.Destinations {
			recipients := d.Recipients
			if len(recipients) == 0 {
				recipients = []string{""}
			}
			b.add(entry.Trigger, d.Service, recipients)
		}
	}
}
