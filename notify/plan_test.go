package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var moment = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const config = `
trigger.on-rollout-completed: [{send: [done]}, {when: rollout.spec.replicas > 3, send: [big]}]
trigger.on-rollout-paused: [{send: [once], oncePer: rollout.spec.image}]
trigger.on-rollout-aborted: [{when: rollout.none.field == 1, send: [done]}, {when: "'yes'", send: [done]}, {send: [gone]}]
`

func configured() *Config {
	data := map[string]string{"template.done": "message: m", "template.big": "message: m", "template.once": "message: m"}
	for line := range strings.SplitSeq(strings.TrimSpace(config), "\n") {
		key, value, _ := strings.Cut(line, ": ")
		data[key] = value
	}
	return Parse(data, nil)
}

func all(string) error { return nil }

func event(reason string, replicas int, image string) Event {
	vars := map[string]any{"rollout": map[string]any{"spec": map[string]any{"replicas": replicas, "image": image}}}
	return Event{Transition: Transition{Reason: reason, Type: "Normal"}, Mark: Mark{Hash: image}, At: moment, Vars: vars}
}

func subscribers(trigger string, to ...string) Subscribers {
	s := Subscribers{}
	for _, one := range to {
		s[trigger] = append(s[trigger], Destination{"slack", one})
	}
	return s
}

// lines are the messages that are due, in short.
func lines(r Record) (lines []string) {
	for _, due := range r.Due {
		lines = append(lines, fmt.Sprintf("%s %s %s", due.Reason, strings.Join(due.Templates, "+"), due.To()))
	}
	return lines
}

func TestEveryConditionThatHoldsTellsEverySubscriber(t *testing.T) {
	who := subscribers("on-rollout-completed", "a", "b")
	for name, test := range map[string]struct {
		event Event
		want  []string
	}{
		"only one holds":   {event("RolloutCompleted", 1, "x"), []string{"RolloutCompleted done slack:a", "RolloutCompleted done slack:b"}},
		"both hold":        {event("RolloutCompleted", 4, "x"), []string{"RolloutCompleted done slack:a", "RolloutCompleted done slack:b", "RolloutCompleted big slack:a", "RolloutCompleted big slack:b"}},
		"nobody waits":     {event("RolloutPaused", 4, "x"), nil},
		"an unknown event": {event("SkipSteps", 4, "x"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			next, problems := configured().Plan(Record{}, who, all, []Event{test.event})
			if diff := cmp.Diff(test.want, lines(next)); diff != "" || len(problems) > 0 {
				t.Errorf("%s, problems %v", diff, problems)
			}
			ids := map[string]bool{}
			for _, due := range next.Due {
				ids[due.ID] = true
			}
			if len(ids) != len(next.Due) {
				t.Error("two messages have the same id")
			}
		})
	}
}

func TestAPlanDoesNotChangeTheRecordItBeginsWith(t *testing.T) {
	before := Record{Due: make([]Due, 1, 9), Once: map[string]string{"k": "v"}, Triggers: []string{"on-rollout-paused"}}
	first, _ := configured().Plan(before, subscribers("on-rollout-paused", "a"), all, []Event{event("RolloutPaused", 1, "x")})
	again, _ := configured().Plan(before, subscribers("on-rollout-paused", "a"), all, []Event{event("RolloutPaused", 1, "x")})
	if diff := cmp.Diff(first, again); diff != "" || len(before.Due) != 1 || before.Once["k"] != "v" {
		t.Errorf("%s; the record is %+v", diff, before)
	}
}

func TestOncePerSendsAgainOnlyWhenItsValueChanges(t *testing.T) {
	c, who := configured(), subscribers("on-rollout-paused", "a")
	var record Record
	var sent []int
	for _, image := range []string{"x", "x", "y", "x"} {
		record.Due = nil
		record, _ = c.Plan(record, who, all, []Event{event("RolloutPaused", 1, image)})
		sent = append(sent, len(record.Due))
	}
	if !slices.Equal(sent, []int{1, 0, 1, 1}) {
		t.Errorf("sent %v", sent)
	}
	later, _ := c.Plan(record, subscribers("on-rollout-paused", "b"), all, []Event{event("RolloutPaused", 1, "x")})
	if len(later.Due) != len(record.Due)+1 || len(later.Once) != 1 {
		t.Errorf("another recipient is told %d messages, and %d values are kept", len(later.Due), len(later.Once))
	}
}

func TestWhatCannotBeSentIsSaidAndHarmsNothingElse(t *testing.T) {
	known := func(service string) error {
		if service == "teams" {
			return errors.New("teams is not supported")
		}
		return nil
	}
	c := configured()
	for name, test := range map[string]struct {
		reason string
		who    Subscribers
		due    int
		want   []string
	}{
		"a trigger that is not there": {"RolloutUpdated", subscribers("on-rollout-updated", "a"), 0, []string{"no trigger.on-rollout-updated"}},
		"conditions that make no sense, and a template that is not there": {"RolloutAborted", subscribers("on-rollout-aborted", "a"), 0,
			[]string{"entry 0 of trigger.on-rollout-aborted: evaluating when", "expected true or false, but got string", "no template.gone"}},
		"a service that is not there": {"RolloutCompleted", Subscribers{"on-rollout-completed": {{"slack", "a"}, {"teams", "t"}}}, 1, []string{"teams:t: teams is not supported"}},
	} {
		t.Run(name, func(t *testing.T) {
			next, problems := c.Plan(Record{}, test.who, known, []Event{event(test.reason, 1, "x")})
			if len(problems) != len(test.want) || len(next.Due) != test.due {
				t.Fatalf("%d are due, problems %v", len(next.Due), problems)
			}
			for i, want := range test.want {
				if !strings.Contains(problems[i].Text, want) {
					t.Errorf("%q does not say %q", problems[i].Text, want)
				}
			}
		})
	}
}

func TestAnExpressionWithoutEndIsCutOff(t *testing.T) {
	c := Parse(map[string]string{"trigger.on-x": "- send: [t]\n  when: 'all(1..1000, all(1..1000, all(1..1000, # > 0)))'"}, nil)
	_, problems := c.Plan(Record{}, subscribers("on-x", "a"), all, []Event{event("X", 1, "x")})
	if len(problems) != 1 || !strings.Contains(problems[0].Text, "budget exceeded") {
		t.Errorf("%v", problems)
	}
}

func TestTheQueueOfARolloutIsBounded(t *testing.T) {
	var events []Event
	for range MaxDue + 5 {
		events = append(events, event("RolloutCompleted", 1, "x"))
	}
	for name, test := range map[string]struct {
		recipient string
		due       int
	}{"in number": {"a", MaxDue}, "in bytes": {strings.Repeat("<", maxRecipient), 20}} {
		t.Run(name, func(t *testing.T) {
			next, problems := configured().Plan(Record{}, subscribers("on-rollout-completed", test.recipient), all, events)
			if len(next.Due) < test.due || len(next.Due) > MaxDue || len(next.Due)+len(problems) != len(events) {
				t.Errorf("%d are due, %d are told to be too many", len(next.Due), len(problems))
			}
			text, err := next.Text()
			if _, found, again := ReadRecord(map[string]string{AnnotationNotified: text}); err != nil || again != nil || !found || len(text) > maxRecord {
				t.Errorf("the record has %d bytes, errors %v and %v", len(text), err, again)
			}
		})
	}
}

func TestWhoeverWaitsForManyThingsCannotMakeTheRecordLong(t *testing.T) {
	who := subscribers("on-rollout-paused", "a")
	for i := range 5000 {
		who[fmt.Sprintf("on-%d", i)] = who["on-rollout-paused"]
	}
	next, _ := configured().Plan(Record{}, who, all, nil)
	if !slices.Equal(next.Triggers, []string{"on-rollout-paused"}) {
		t.Errorf("%d triggers are remembered", len(next.Triggers))
	}
}

func TestAfterARestartOnlyThoseAreToldWhoWaitedBefore(t *testing.T) {
	e := event("RolloutCompleted", 1, "x")
	e.Recovered = true
	for name, test := range map[string]struct {
		waited []string
		want   int
	}{"subscribed before": {[]string{"on-rollout-completed"}, 1}, "subscribed later": {[]string{"on-rollout-paused"}, 0}, "not subscribed at all": {nil, 0}} {
		t.Run(name, func(t *testing.T) {
			next, _ := configured().Plan(Record{Triggers: test.waited}, subscribers("on-rollout-completed", "a"), all, []Event{e})
			if len(next.Due) != test.want {
				t.Errorf("%d are due", len(next.Due))
			}
		})
	}
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	next, _ := configured().Plan(Record{Seen: Mark{Hash: "h"}}, subscribers("on-rollout-paused", "a"), all, []Event{event("RolloutPaused", 1, "x")})
	text, err := next.Text()
	if err != nil {
		t.Fatal(err)
	}
	got, found, err := ReadRecord(map[string]string{AnnotationNotified: text})
	if diff := cmp.Diff(next, got); diff != "" || !found || err != nil || !got.Due[0].Since().Equal(moment) {
		t.Errorf("%s, found %t, error %v", diff, found, err)
	}
	if text, err := (Record{Seen: Mark{Hash: "h"}}).Text(); text != "" || err != nil {
		t.Errorf("a Rollout without subscribers has %q, error %v", text, err)
	}
}

func TestARecordThatSomebodySpoiledIsRefused(t *testing.T) {
	due := func(change string) string {
		return `{"due":[{"id":"i","reason":"R","type":"Normal","service":"s","at":1` + change + `}]}`
	}
	for name, text := range map[string]string{
		"no JSON": "{", "another form": `{"due":{"a":1}}`, "too large": `{"triggers":["` + strings.Repeat("x", maxRecord) + `"]}`,
		"an empty message": `{"due":[{}]}`, "too many": `{"due":[` + strings.Repeat(`{},`, MaxDue) + `{}]}`,
		"a reason that is none": due(`,"reason":"<b>"`), "a type that is none": due(`,"type":""`), "a moment that is none": due(`,"at":1e99`),
		"a recipient without end": due(`,"recipient":"` + strings.Repeat("x", 3*maxRecipient) + `"`),
	} {
		t.Run(name, func(t *testing.T) {
			if _, found, err := ReadRecord(map[string]string{AnnotationNotified: text}); err == nil || found {
				t.Errorf("found %t, error %v", found, err)
			}
		})
	}
	if _, found, err := ReadRecord(map[string]string{AnnotationNotified: due("")}); err != nil || !found {
		t.Errorf("what all of these were made of cannot be read: %v", err)
	}
}
