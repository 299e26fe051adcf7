package app

import (
	"testing"
	"time"
)

// offer sends requests at an even rate for some seconds, and gives the number of those that were turned away and the longest wait.
func offer(t *turns, perSecond int, seconds int) (refused int, longest time.Duration) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range perSecond * seconds {
		wait, ok := t.take(begin.Add(time.Duration(i) * time.Second / time.Duration(perSecond)))
		if !ok {
			refused++
		}
		longest = max(longest, wait)
	}
	return refused, longest
}

func TestALoadWithinTheCapacityDoesNotWait(t *testing.T) {
	if refused, longest := offer(newTurns(10), 9, 60); refused != 0 || longest != 0 {
		t.Errorf("%d were turned away, the longest wait was %s", refused, longest)
	}
}

func TestARushIsMadeUpFor(t *testing.T) {
	turns, now := newTurns(10), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 20 {
		if wait, ok := turns.take(now); !ok || wait != time.Duration(i)*100*time.Millisecond {
			t.Fatalf("request %d waits %s, %t", i, wait, ok)
		}
	}
	if wait, ok := turns.take(now.Add(2 * time.Second)); wait != 0 || !ok {
		t.Errorf("two seconds later the wait is %s, %t", wait, ok)
	}
}

func TestALoadBeyondTheCapacityIsTurnedAwayAfterAMoment(t *testing.T) {
	if refused, longest := offer(newTurns(10), 15, 3); refused != 0 || longest < time.Second {
		t.Errorf("after 3 seconds %d were turned away, the longest wait was %s", refused, longest)
	}
	refused, longest := offer(newTurns(10), 15, 60)
	if refused < 250 || refused > 300 {
		t.Errorf("of 900 requests where 600 can be served, %d were turned away", refused)
	}
	if longest > MaxWait {
		t.Errorf("somebody waited %s", longest)
	}
}

func TestWithoutACapacityEverybodyIsServedAtOnce(t *testing.T) {
	if refused, longest := offer(newTurns(0), 5000, 1); refused != 0 || longest != 0 {
		t.Errorf("%d were turned away, the longest wait was %s", refused, longest)
	}
}
