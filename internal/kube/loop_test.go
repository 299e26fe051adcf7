package kube

import (
	"testing"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
)

func TestWhatKeepsFailingIsTriedEveryFewSecondsAndNoFaster(t *testing.T) {
	limiter := LoopOptions(nil, "any", 1, time.Minute).RateLimiter
	var request ctrl.Request
	waited := time.Duration(0)
	for range 30 {
		wait := limiter.When(request)
		if wait > lastBackoff || wait < waited {
			t.Fatalf("it waits %s after %s", wait, waited)
		}
		waited = wait
	}
	if waited != lastBackoff {
		t.Errorf("in the end it waits %s", waited)
	}
	limiter.Forget(request)
	if wait := limiter.When(request); wait != firstBackoff {
		t.Errorf("after a success it waits %s", wait)
	}
}
