package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// audit reads the API server's audit log.
type audit struct{ path string }

// request is one line of the log.
type request struct {
	Verb, UserAgent string
	ObjectRef       struct{ Resource, Subresource string }
	ResponseStatus  struct{ Code int }
}

// isController tells the requests of sluice-controller from those of others.
func (r request) isController() bool { return strings.HasPrefix(r.UserAgent, "sluice-controller/") }

func (r request) writes() bool {
	return r.Verb != "get" && r.Verb != "list" && r.Verb != "watch"
}

// kind names what was asked for, such as "patch rollouts/status".
func (r request) kind() string {
	kind := r.Verb + " " + r.ObjectRef.Resource
	if r.ObjectRef.Subresource != "" {
		kind += "/" + r.ObjectRef.Subresource
	}
	if r.ResponseStatus.Code >= 400 {
		kind += fmt.Sprintf(" (refused with %d)", r.ResponseStatus.Code)
	}
	return kind
}

// isBeside tells what does not count as a write of a release: events, and the lease that every controller renews.
func (r request) isBeside() bool {
	return r.ObjectRef.Resource == "events" || r.ObjectRef.Resource == "leases"
}

// mark is the place in the log that is reached.
func (a audit) mark() (int64, error) {
	info, err := os.Stat(a.path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// since reads the requests after a mark that were answered in full.
func (a audit) since(mark int64) ([]request, error) {
	file, err := os.Open(a.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Seek(mark, io.SeekStart); err != nil {
		return nil, err
	}
	var all []request
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, nil // the last line may be under way
		}
		if err != nil {
			return nil, err
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		all = append(all, r)
	}
}

// count counts the requests that are meant, by name.
func count(all []request, name func(request) string, is func(request) bool) counts {
	c := counts{}
	for _, r := range all {
		if is(r) {
			c[name(r)]++
		}
	}
	return c
}

// counts are numbers of requests.
type counts map[string]int

func (c counts) sum() int {
	sum := 0
	for _, n := range c {
		sum += n
	}
	return sum
}

// String lists the largest first.
func (c counts) String() string {
	names := slices.SortedFunc(maps.Keys(c), func(a, b string) int {
		if c[a] != c[b] {
			return c[b] - c[a]
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%d × %s", c[name], name))
	}
	return strings.Join(parts, ", ")
}
