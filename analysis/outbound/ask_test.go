package outbound

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func answers(t *testing.T, answer http.HandlerFunc) string {
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server.URL
}

func TestAQuestionIsSentAsItWasWritten(t *testing.T) {
	address := answers(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL, r.Header.Get("X-Key"), r.Header.Get("X-Signed"))
	})
	got, err := Ask(t.Context(), Question{
		Method: http.MethodPut, URL: address + "/a?b=c", Header: map[string]string{"X-Key": "k"}, Body: []byte("body"),
		Sign: func(r *http.Request) error { r.Header.Set("X-Signed", r.Header.Get("X-Key")+"!"); return nil },
	})
	if err != nil || string(got) != "PUT /a?b=c k k!" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAnAddressThatIsNoneIsNotAsked(t *testing.T) {
	for _, address := range []string{"", "host.example/path", "ftp://host.example", "file:///etc/passwd", "http://", "http://a b", "://", "http://user:pass word@h"} {
		if _, err := Ask(t.Context(), Question{URL: address}); err == nil || !strings.Contains(err.Error(), "begins with http:// or https://") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestTheMetadataServiceOfACloudIsAskedForNoUser(t *testing.T) {
	for _, address := range []string{"http://169.254.169.254/latest/", "http://[fd00:ec2::254]/", "http://[::ffff:169.254.169.254]/"} {
		if _, err := Ask(t.Context(), Question{URL: address}); err == nil || !strings.Contains(err.Error(), "metadata services of clouds") {
			t.Errorf("%s: %v", address, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Ask(ctx, Question{URL: "http://169.254.169.254/latest/", OwnCloud: true}); err == nil || strings.Contains(err.Error(), "metadata services of clouds") {
		t.Errorf("the controller's own question: %v", err)
	}
}

func TestAHeaderWithALineBreakIsRefusedWithoutItsValue(t *testing.T) {
	asked := false
	address := answers(t, func(http.ResponseWriter, *http.Request) { asked = true })
	_, err := Ask(t.Context(), Question{URL: address, Header: map[string]string{"X-Key": "secret\r\nX-Other: 1"}})
	if err == nil || asked || strings.Contains(err.Error(), "secret") {
		t.Errorf("asked %t, %v", asked, err)
	}
}

func TestARefusalSaysWhatTheServerSays(t *testing.T) {
	address := answers(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "12")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "<p>\n\tdown\xff "+strings.Repeat("é", 1000))
	})
	_, err := Ask(t.Context(), Question{URL: address + "/a?query=long"})
	refusal, is := errors.AsType[*StatusError](err)
	if !is || refusal.Code != 503 || refusal.Wait != 12*time.Second {
		t.Fatalf("%#v", err)
	}
	want := "asking " + address + "/a: the server answered 503 Service Unavailable and asks to wait 12s: <p> down? é"
	if !strings.HasPrefix(err.Error(), want) || len(refusal.Excerpt) > maxExcerpt+3 || strings.ContainsRune(refusal.Excerpt, '�') {
		t.Errorf("the error is %v", err)
	}
}

func TestTheTimeToWaitIsReadInEachFormOfTheHeader(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "120", 2 * time.Minute},
		{"Retry-After", "Thu, 01 Jan 2026 00:00:30 GMT", 30 * time.Second},
		{"Retry-After", "Wed, 31 Dec 2025 23:59:30 GMT", 0},
		{"Retry-After", "-5", 0},
		{"Retry-After", "soon", 0},
		{"Retry-After", "99999999999999999999", 0},
		{"X-RateLimit-Reset", "9", 9 * time.Second},
		{"X-RateLimit-Reset", "1767225600", 0}, // a moment, as others than Datadog give it
	} {
		h := http.Header{}
		h.Set(test.name, test.value)
		if got := wait(h, now); got != test.want {
			t.Errorf("%s: %s is %s", test.name, test.value, got)
		}
	}
}

func TestAnAnswerMayHaveJustTheSizeThatIsAllowed(t *testing.T) {
	for size, fine := range map[int]bool{MaxAnswer: true, MaxAnswer + 1: false} {
		address := answers(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", size)) })
		got, err := Ask(t.Context(), Question{URL: address})
		if fine != (err == nil && len(got) == size) || !fine && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d bytes: %d, %v", size, len(got), err)
		}
	}
}

func TestAnAnswerThatIsLateIsNotWaitedFor(t *testing.T) {
	address := answers(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := Ask(t.Context(), Question{URL: address, Timeout: 20 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 20ms") {
		t.Errorf("the error is %v", err)
	}
}

func TestASecretDoesNotComeBackInAnyForm(t *testing.T) {
	const secret = `key "7"/with+signs`
	address := answers(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprintf(w, "%s %q %v", secret, secret, r.URL)
	})
	for _, path := range []string{"/good", "/bad"} {
		got, err := Ask(t.Context(), Question{URL: address + path + "?q=key+%227%22%2Fwith%2Bsigns", Secrets: []string{secret, ""}})
		if text := fmt.Sprint(string(got), err); strings.Contains(text, "with") || !strings.Contains(text, "***") {
			t.Errorf("%s", text)
		}
	}
}

func TestAStandInForAKeyDoesNotSpoilAnAnswer(t *testing.T) {
	address := answers(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprint(w, `{"none":1}`)
	})
	var into map[string]int
	if err := AskJSON(t.Context(), Question{URL: address, Secrets: []string{"none"}}, &into); err != nil || into["none"] != 1 {
		t.Errorf("%v, %v", into, err)
	}
	if err := AskJSON(t.Context(), Question{URL: address + "/bad", Secrets: []string{"none"}}, &into); err == nil || strings.Contains(err.Error(), "none") {
		t.Errorf("the error is %v", err)
	}
}
