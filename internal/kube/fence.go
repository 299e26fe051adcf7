package kube

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// ErrNoLease says that a write was not sent because the lease of the leader was not renewed in time.
var ErrNoLease = errors.New("not writing without the lease of the leader")

// Fence lets writes through only for as long as this process is known to hold the lease of the leader.
//
// The leader election ends the process when a renewal fails, but a process that was suspended learns that only after it wakes up,
// when another may lead already. So each write asks the clock first. The lease counts from before the renewal was sent.
type Fence struct {
	resourcelock.Interface

	duration time.Duration
	now      func() time.Time
	until    atomic.Pointer[time.Time]
}

// NewFence watches over a lock whose lease lasts for the given time.
func NewFence(lock resourcelock.Interface, lease time.Duration) *Fence {
	return &Fence{Interface: lock, duration: lease, now: time.Now}
}

// Create takes the lease.
func (f *Fence) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return f.renew(record, func() error { return f.Interface.Create(ctx, record) })
}

// Update takes, renews or releases the lease.
func (f *Fence) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return f.renew(record, func() error { return f.Interface.Update(ctx, record) })
}

func (f *Fence) renew(record resourcelock.LeaderElectionRecord, write func() error) error {
	until := f.now().Add(f.duration)
	if record.HolderIdentity != f.Identity() { // a release: no write may follow it
		f.until.Store(nil)
		return write()
	}
	if err := write(); err != nil {
		return err
	}
	f.until.Store(&until)
	return nil
}

// Held reports whether the lease is still ours, by both clocks: the steady one stands still while a virtual machine sleeps,
// and the wall clock may be set.
func (f *Fence) Held() bool {
	until := f.until.Load()
	if until == nil {
		return false
	}
	now := f.now()
	return now.Before(*until) && now.Round(0).Before(until.Round(0))
}

// Wrap puts the fence in front of a transport. It is for rest.Config.Wrap of every client but the lock's own.
func (f *Fence) Wrap(next http.RoundTripper) http.RoundTripper {
	return fenced{fence: f, next: next}
}

type fenced struct {
	fence *Fence
	next  http.RoundTripper
}

// WrappedRoundTripper lets client-go find the transport that can cancel a request.
func (f fenced) WrappedRoundTripper() http.RoundTripper { return f.next }

func (f fenced) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && !f.fence.Held() {
		if r.Body != nil {
			_ = r.Body.Close() // the contract of a RoundTripper; nothing was sent, so there is nothing to lose
		}
		return nil, ErrNoLease
	}
	return f.next.RoundTrip(r)
}
