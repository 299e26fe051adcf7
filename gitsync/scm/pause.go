package scm

import (
	"cmp"
	"maps"
	"net/http"
	"strconv"
	"time"
)

const (
	// firstPause is for servers that do not say when they want to be asked again, as GitHub documents it for its second limit.
	firstPause = time.Minute
	// lastPause bounds what a server may ask for.
	lastPause = time.Hour
)

// pausedError says that a server wants to be left alone.
type pausedError struct {
	until     time.Time
	anonymous bool
}

func (e *pausedError) Error() string {
	text := "the server wants no more questions until " + e.until.UTC().Format(time.RFC3339)
	if e.anonymous {
		text += "; it may answer more of them with a token (tokenRef)"
	}
	return text
}

// left says why a server is not asked now; nil if it may be.
func (a *Asker) left(s *server) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if until := a.paused[s.account]; a.now().Before(until) {
		return &pausedError{until, s.source == ""}
	}
	return nil
}

// pause remembers that a server has asked to be left alone. An answer that asks for nothing of the kind gives nil.
func (a *Asker) pause(s *server, answer *http.Response) error {
	wait, limited := waitOf(answer, a.now())
	if !limited {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	maps.DeleteFunc(a.paused, func(_ string, until time.Time) bool { return !now.Before(until) })
	if a.paused == nil {
		a.paused = map[string]time.Time{}
	}
	until := now.Add(wait).Round(time.Second)
	a.paused[s.account] = until
	return &pausedError{until, s.source == ""}
}

// waitOf reads how long a server wants to be left alone, and whether it does at all. GitHub says so with 403 as well as with 429, by one of two headers.
func waitOf(answer *http.Response, now time.Time) (time.Duration, bool) {
	h := answer.Header
	after := h.Get("Retry-After")
	spent := cmp.Or(h.Get("X-RateLimit-Remaining"), h.Get("RateLimit-Remaining")) == "0"
	if answer.StatusCode != http.StatusTooManyRequests && (answer.StatusCode != http.StatusForbidden || after == "" && !spent) {
		return 0, false
	}
	wait := firstPause
	if seconds, err := strconv.ParseInt(after, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if moment, err := http.ParseTime(after); err == nil {
		wait = moment.Sub(now)
	} else if moment, err := strconv.ParseInt(cmp.Or(h.Get("X-RateLimit-Reset"), h.Get("RateLimit-Reset")), 10, 64); err == nil && moment > 0 {
		wait = time.Unix(moment, 0).Sub(now)
	}
	return min(max(wait, time.Second), lastPause), true
}
