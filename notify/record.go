package notify

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// AnnotationNotified holds the Record of a Rollout. The name is of the wire contract, which leaves other programs to ignore it.
const AnnotationNotified = "notified.notifications.argoproj.io"

// MaxDue is how many messages one Rollout may have that are not delivered yet.
const MaxDue = 256

// All annotations of an object share 256 KiB.
const (
	maxRecord    = 128 << 10 // bytes of a Record
	maxDueWeight = 64 << 10  // bytes of all that is due
	maxOnce      = 500       // values of oncePer
)

// Record is what a Rollout remembers of its messages. It is written before the first of them is sent and again when some are delivered, so a
// message that a crash interrupts is sent once more and none is lost.
type Record struct {
	// Triggers are those that somebody waited for; what happened before that is not told later.
	Triggers []string `json:"triggers,omitempty"`
	// Seen is up to where the Rollout was told.
	Seen Mark `json:"seen"`
	// Due are the messages that are not delivered yet, oldest first.
	Due []Due `json:"due,omitempty"`
	// Once holds a digest of the last value of each oncePer by destination.
	Once map[string]string `json:"once,omitempty"`
}

// Due is a message to be delivered.
type Due struct {
	ID        string   `json:"id"`
	Reason    string   `json:"reason"`
	Type      string   `json:"type"`
	Templates []string `json:"templates"`
	Service   string   `json:"service"`
	Recipient string   `json:"recipient,omitempty"`
	At        int64    `json:"at"` // seconds since 1970
	// Event is the index of the event that caused it, in the Plan that made it.
	Event int `json:"-"`
}

// To is where it goes.
func (d Due) To() Destination { return Destination{Service: d.Service, Recipient: d.Recipient} }

// weight is how many bytes of a Record it takes.
func (d Due) weight() int {
	data, err := json.Marshal(d)
	if err != nil {
		return maxDueWeight
	}
	return len(data) + len(",")
}

// Since is when it became due.
func (d Due) Since() time.Time { return time.Unix(d.At, 0) }

// ReadRecord reads the annotation of a Rollout; there is none where the annotation is absent. Anybody may edit it, so one that cannot be read
// is an error, after which the Rollout starts anew.
func ReadRecord(annotations map[string]string) (record Record, found bool, err error) {
	text, found := annotations[AnnotationNotified]
	if !found {
		return Record{}, false, nil
	}
	if len(text) > maxRecord {
		return Record{}, false, fmt.Errorf("the annotation %s has %d bytes, more than %d", AnnotationNotified, len(text), maxRecord)
	}
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		return Record{}, false, fmt.Errorf("the annotation %s cannot be read: %w", AnnotationNotified, err)
	}
	if len(record.Due) > MaxDue || slices.ContainsFunc(record.Due, Due.strange) {
		return Record{}, false, fmt.Errorf("the annotation %s holds messages that were not written by the controller", AnnotationNotified)
	}
	return record, true, nil
}

var word = regexp.MustCompile("^[A-Za-z]{1,63}$")

// strange reports whether a Plan cannot have made a message. Its words become labels of metrics, of which nobody may choose many.
func (d Due) strange() bool {
	return !word.MatchString(d.Reason) || !word.MatchString(d.Type) || d.ID == "" || len(d.ID)+len(d.Service)+len(d.Recipient) > 3*maxRecipient
}

// Text is the value of the annotation; empty if nobody waits for anything and nothing is due.
func (r Record) Text() (string, error) {
	if len(r.Triggers) == 0 && len(r.Due) == 0 {
		return "", nil
	}
	data, err := json.Marshal(r)
	return string(data), err
}
