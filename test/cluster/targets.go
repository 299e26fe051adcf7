package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"
)

// follower copies the targets that a URL names into a file that Prometheus watches.
//
// Prometheus could ask the URL itself, but it takes each answer for news, and throttles itself to one piece of news
// in about five seconds: a new pod then waited up to 6.6 s for its first scrape. A file that changes only when there is
// a new target gets it there within half a second, most of the time. For the same reason a target that is gone stays
// in the file until the next new one: its scrapes fail, which ends its series, and no new pod has to wait behind it.
type follower struct {
	url, file string
	known     []json.RawMessage // content of the file
}

// follow keeps the file up to date until ctx ends. It tells progress when that begins to fail; the targets then
// stay as they were.
func (f *follower) follow(ctx context.Context, interval time.Duration, progress io.Writer) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := f.copy(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			fmt.Fprintln(progress, err)
		}
		failing = err != nil
	}
}

func (f *follower) copy(ctx context.Context) error {
	targets, err := f.ask(ctx)
	if err != nil {
		return fmt.Errorf("asking %s for the targets of Prometheus: %w", f.url, err)
	}
	if f.known != nil && !slices.ContainsFunc(targets, f.isNew) {
		return nil
	}
	content, err := json.Marshal(targets)
	if err != nil {
		return fmt.Errorf("writing the targets of Prometheus: %w", err)
	}
	if err := os.WriteFile(f.file+".tmp", content, 0o600); err != nil {
		return fmt.Errorf("writing the targets of Prometheus: %w", err)
	}
	if err := os.Rename(f.file+".tmp", f.file); err != nil {
		return fmt.Errorf("writing the targets of Prometheus: %w", err)
	}
	f.known = targets
	return nil
}

func (f *follower) isNew(target json.RawMessage) bool {
	return !slices.ContainsFunc(f.known, func(k json.RawMessage) bool { return bytes.Equal(k, target) })
}

// ask returns the groups of targets.
func (f *follower) ask(ctx context.Context) ([]json.RawMessage, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", response.Status)
	}
	groups := []json.RawMessage{}
	if err := json.NewDecoder(response.Body).Decode(&groups); err != nil {
		return nil, fmt.Errorf("the answer is no list of groups: %w", err)
	}
	return groups, nil
}
