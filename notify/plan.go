package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-delivery/sluice/analysis"
)

// Event is a transition of one Rollout with all that is needed to tell of it.
type Event struct {
	Transition
	// Mark is where the Rollout stood after it.
	Mark Mark
	At   time.Time
	// Recovered events were found after a restart. They are told to those only who were subscribed before it.
	Recovered bool
	// Vars is what conditions may speak of.
	Vars map[string]any
}

// Problem is why somebody is not told.
type Problem struct {
	Transition
	Text string
}

// Known reports what keeps a service from being used: it is not set up, or its kind is not known.
type Known func(service string) error

// Plan adds to a Record the messages that events cause, in their order. The Record is not changed; the second result tells what is not sent,
// and why.
func (c *Config) Plan(before Record, who Subscribers, known Known, events []Event) (Record, []Problem) {
	p := &planning{config: c, known: known, next: before, waited: before.Triggers}
	p.next.Due = slices.Clone(before.Due)
	p.next.Once = map[string]string{}
	for key, value := range before.Once {
		p.next.Once[key] = value
	}
	p.next.Triggers = nil
	for _, trigger := range who.Triggers() {
		if _, ok := c.Triggers[trigger]; ok { // so that nobody can make the record long by waiting for others
			p.next.Triggers = append(p.next.Triggers, trigger)
		}
	}
	for _, due := range p.next.Due {
		p.weight += due.weight()
	}
	for i, event := range events {
		trigger := TriggerOf(event.Reason)
		if event.Recovered && !slices.Contains(p.waited, trigger) || len(who[trigger]) == 0 {
			continue // the mark stays, so that events that concern nobody cost no write
		}
		p.next.Seen, p.at = event.Mark, i
		p.event(event, trigger, who[trigger])
	}
	p.forgetOnce(who)
	if len(p.next.Once) == 0 {
		p.next.Once = nil
	}
	return p.next, p.problems
}

// planning is the state of one Plan.
type planning struct {
	config   *Config
	known    Known
	waited   []string
	at       int
	weight   int // of what is due
	next     Record
	problems []Problem
}

func (p *planning) problem(t Transition, format string, args ...any) {
	p.problems = append(p.problems, Problem{t, fmt.Sprintf(format, args...)})
}

func (p *planning) event(e Event, trigger string, to []Destination) {
	conditions, ok := p.config.Triggers[trigger]
	if !ok {
		p.problem(e.Transition, "the ConfigMap has no %s", p.config.explain("trigger."+trigger))
		return
	}
	for i, condition := range conditions {
		holds, err := condition.holds(e.Vars)
		if err != nil {
			p.problem(e.Transition, "entry %d of trigger.%s: %v", i, trigger, err)
		}
		if !holds {
			continue
		}
		value, err := condition.once(e.Vars)
		if err != nil {
			p.problem(e.Transition, "entry %d of trigger.%s: %v", i, trigger, err)
			continue
		}
		for _, d := range to {
			p.message(e, trigger, i, value, d)
		}
	}
}

// explain names a key, and what is wrong with it if it is there.
func (c *Config) explain(key string) string {
	if why, ok := c.Problems[key]; ok {
		return key + " that can be read: " + why
	}
	return key
}

// Unset tells which triggers somebody waits for in vain, as the ConfigMap does not have them.
func (c *Config) Unset(who Subscribers) []string {
	var problems []string
	for _, trigger := range who.Triggers() {
		if _, ok := c.Triggers[trigger]; !ok {
			problems = append(problems, "the ConfigMap has no "+c.explain("trigger."+trigger))
		}
	}
	return problems
}

func (p *planning) message(e Event, trigger string, entry int, value string, d Destination) {
	condition := p.config.Triggers[trigger][entry]
	if err := p.known(d.Service); err != nil {
		p.problem(e.Transition, "nothing is sent to %s: %v", d, err)
		return
	}
	for _, name := range condition.Send {
		if _, ok := p.config.Templates[name]; !ok {
			p.problem(e.Transition, "nothing is sent to %s: the ConfigMap has no %s", d, p.config.explain("template."+name))
			return
		}
	}
	key := onceKey(trigger, entry, d)
	if value != "" && p.next.Once[key] == value {
		return
	}
	due := Due{
		ID:     digest(key, e.Reason, e.At.UTC().Format(time.RFC3339Nano), strconv.Itoa(len(p.next.Due))),
		Reason: e.Reason, Type: e.Type, Templates: condition.Send, Service: d.Service, Recipient: d.Recipient, At: e.At.Unix(), Event: p.at,
	}
	forgetful := value != "" && p.next.Once[key] == "" && len(p.next.Once) >= maxOnce
	if forgetful || len(p.next.Due) >= MaxDue || p.weight+due.weight() > maxDueWeight {
		p.problem(e.Transition, "nothing is sent to %s: too many other messages of this Rollout wait already, or too many recipients have a oncePer", d)
		return
	}
	if value != "" {
		p.next.Once[key] = value
	}
	p.next.Due = append(p.next.Due, due)
	p.weight += due.weight()
}

// forgetOnce keeps the values of those only who are still subscribed to a condition that has a oncePer.
func (p *planning) forgetOnce(who Subscribers) {
	wanted := map[string]bool{}
	for trigger, list := range who {
		for i, condition := range p.config.Triggers[trigger] {
			for _, d := range list {
				wanted[onceKey(trigger, i, d)] = condition.OncePer != ""
			}
		}
	}
	for key := range p.next.Once {
		if !wanted[key] {
			delete(p.next.Once, key)
		}
	}
}

func onceKey(trigger string, entry int, d Destination) string {
	return digest(trigger, strconv.Itoa(entry), d.Service, d.Recipient)
}

// digest is short, as it tells apart what belongs to one Rollout only.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (c Condition) holds(vars map[string]any) (bool, error) {
	if c.When == "" {
		return true, nil
	}
	out, err := analysis.Compute(c.When, vars)
	if err != nil {
		return false, fmt.Errorf("evaluating when: %w", err)
	}
	yes, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("evaluating when: expected true or false, but got %T", out)
	}
	return yes, nil
}

// once is a digest of the value of oncePer; empty without one.
func (c Condition) once(vars map[string]any) (string, error) {
	if c.OncePer == "" {
		return "", nil
	}
	out, err := analysis.Compute(c.OncePer, vars)
	if err != nil {
		return "", fmt.Errorf("evaluating oncePer: %w", err)
	}
	return digest(fmt.Sprint(out)), nil
}
