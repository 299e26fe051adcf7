package gitsync

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"k8s.io/utils/ptr"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// RetryWait is the wait before attempt number count (from 1) of a failed operation: duration × factor^count, at most maxDuration.
// The defaults are 5s, 2 and 3m; a maxDuration of 0 is no limit. A bare number counts seconds. The formula is the wire contract's (section 1.4).
func RetryWait(retry gitopsv1.RetryStrategy, count int64) (time.Duration, error) {
	b := ptr.Deref(retry.Backoff, gitopsv1.Backoff{})
	duration, err := waitOf("duration", b.Duration, 5*time.Second)
	if err != nil {
		return 0, err
	}
	longest, err := waitOf("maxDuration", b.MaxDuration, 3*time.Minute)
	if err != nil {
		return 0, err
	}
	wait := float64(duration) * math.Pow(float64(ptr.Deref(b.Factor, 2)), float64(count))
	if longest > 0 {
		wait = min(wait, float64(longest))
	}
	return time.Duration(min(wait, math.MaxInt64/2)), nil
}

func waitOf(field, text string, absent time.Duration) (time.Duration, error) {
	if text == "" {
		return absent, nil
	}
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("spec.syncPolicy.retry.backoff.%s %q is neither a number of seconds nor a Go duration such as 5s", field, text)
	}
	return d, nil
}

// HealWait is the wait between the end of an operation and the next self-heal by how many heals came before it: none, then 2 s, tripled each time, 5 minutes at most.
func HealWait(attempts int64) time.Duration {
	if attempts <= 0 {
		return 0
	}
	return time.Duration(min(2*math.Pow(3, float64(attempts-1)), 300) * float64(time.Second))
}
