package kube

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// lock answers each write of the lease with err.
type lock struct {
	resourcelock.Interface
	err error
}

func (l *lock) Identity() string                                                { return "me" }
func (l *lock) Create(context.Context, resourcelock.LeaderElectionRecord) error { return l.err }
func (l *lock) Update(context.Context, resourcelock.LeaderElectionRecord) error { return l.err }

func TestTheFenceLetsWritesThroughOnlyWithALease(t *testing.T) {
	mine := resourcelock.LeaderElectionRecord{HolderIdentity: "me"}
	lost := errors.New("no answer")
	renew := func(t *testing.T, f *Fence, l *lock, record resourcelock.LeaderElectionRecord, answer error) {
		t.Helper()
		l.err = answer
		if err := f.Update(t.Context(), record); !errors.Is(err, answer) {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		before func(*testing.T, *Fence, *lock, *time.Time)
		method string
		passes bool
	}{
		"before the lease is held": {before: func(*testing.T, *Fence, *lock, *time.Time) {}, method: http.MethodPatch},
		"a read needs no lease":    {before: func(*testing.T, *Fence, *lock, *time.Time) {}, method: http.MethodGet, passes: true},
		"while the lease is held": {method: http.MethodPatch, passes: true, before: func(t *testing.T, f *Fence, l *lock, _ *time.Time) {
			renew(t, f, l, mine, nil)
		}},
		"after a renewal that failed, until the lease runs out": {method: http.MethodPost, passes: true, before: func(t *testing.T, f *Fence, l *lock, now *time.Time) {
			renew(t, f, l, mine, nil)
			*now = now.Add(14 * time.Second)
			renew(t, f, l, mine, lost)
		}},
		"after the process slept past its lease": {method: http.MethodPut, before: func(t *testing.T, f *Fence, l *lock, now *time.Time) {
			renew(t, f, l, mine, nil)
			*now = now.Add(15 * time.Second)
		}},
		"after the lease was released": {method: http.MethodDelete, before: func(t *testing.T, f *Fence, l *lock, _ *time.Time) {
			renew(t, f, l, mine, nil)
			renew(t, f, l, resourcelock.LeaderElectionRecord{}, nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			l := &lock{}
			f := NewFence(l, 15*time.Second)
			f.now = func() time.Time { return now }
			test.before(t, f, l, &now)
			sent := 0
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { sent++ }))
			defer server.Close()
			request, err := http.NewRequestWithContext(t.Context(), test.method, server.URL, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			response, err := f.Wrap(http.DefaultTransport).RoundTrip(request)
			if err == nil {
				response.Body.Close()
			}
			if passed := err == nil; passed != test.passes || (sent == 1) != test.passes {
				t.Errorf("passed %t, sent %d, error %v", passed, sent, err)
			}
			if !test.passes && !errors.Is(err, ErrNoLease) {
				t.Errorf("error %v", err)
			}
		})
	}
}
