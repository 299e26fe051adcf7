package analysis

import (
	"fmt"
	"time"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// defaultLookBack is how far a query with an interval looks back if it does not say.
const defaultLookBack = 5 * time.Minute

// LookBack reads the interval of a query; 5 minutes if it is empty. The error is for people.
func LookBack(interval v1alpha1.DurationString) (time.Duration, error) {
	if interval == "" {
		return defaultLookBack, nil
	}
	d, err := interval.Duration()
	if err != nil || d < time.Second {
		return 0, fmt.Errorf("interval must be a duration of a second or more, such as 5m, but is %q", string(interval))
	}
	return d, nil
}
