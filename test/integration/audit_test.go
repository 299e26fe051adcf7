package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// processKey marks in the audit log which of several controllers sent a request.
const processKey = "sluice-process"

// request is one request of a controller, as the audit log has it.
type request struct {
	Verb, UserAgent string
	At              time.Time `json:"requestReceivedTimestamp"`
	ObjectRef       struct{ Namespace, Resource, Subresource, Name string }
	ResponseStatus  struct {
		Code    int
		Message string
	}
	ImpersonatedUser struct{ Extra map[string][]string }
}

// String is the verb and the resource, and whether it was refused.
func (r request) String() string {
	text := r.Verb + " " + r.ObjectRef.Resource
	if r.ObjectRef.Subresource != "" {
		text += "/" + r.ObjectRef.Subresource
	}
	if r.ResponseStatus.Code >= 400 {
		text += fmt.Sprintf(" (%d)", r.ResponseStatus.Code)
	}
	return text
}

func (r request) process() string {
	if names := r.ImpersonatedUser.Extra[processKey]; len(names) == 1 {
		return names[0]
	}
	return ""
}

// isWrite tells whether a request changes anything; events do not count, nor does the lease.
func (r request) isWrite() bool {
	return !r.isRead() && r.ObjectRef.Resource != "events" && r.ObjectRef.Resource != "leases"
}

func (r request) isRead() bool { return r.Verb == "get" || r.Verb == "list" || r.Verb == "watch" }

// requests lists what all controllers have sent so far.
func requests() ([]request, error) {
	data, err := os.ReadFile(suite.cluster.AuditLog)
	if err != nil {
		return nil, err
	}
	var all []request
	for line := range strings.Lines(string(data)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is still being written
		}
		var r request
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		if strings.HasPrefix(r.UserAgent, "sluice-controller") {
			all = append(all, r)
		}
	}
	return all, nil
}

// awaitRequests reads the audit log until done says so.
func awaitRequests(t *testing.T, what string, done func([]request) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		all, err := requests()
		if err != nil {
			t.Fatal(err)
		}
		if done(all) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s; the last requests are %v", what, all[max(0, len(all)-20):])
		}
	}
}

// denied are the namespaces of tests that have requests of the controller refused.
var denied sync.Map

// forbidden lists the requests that the controllers had no right to. That nobody may create anything in a namespace on its way out is no such right.
func forbidden() []string {
	all, err := requests()
	if err != nil {
		return []string{err.Error()}
	}
	var refused []string
	for _, r := range all {
		if _, meant := denied.Load(r.ObjectRef.Namespace); meant {
			continue
		}
		if r.ResponseStatus.Code == 403 && !strings.Contains(r.ResponseStatus.Message, "is being terminated") {
			refused = append(refused, r.String()+" "+r.ObjectRef.Namespace+"/"+r.ObjectRef.Name)
		}
	}
	return refused
}
