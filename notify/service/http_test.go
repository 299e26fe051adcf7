package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/notify"
)

// canary is a secret that must not come back.
const canary = "s3cr3t-canary-0001"

// request is what a stand-in server got.
type request struct{ Method, Path, Auth, Key, Body string }

// server is a stand-in that answers each request in turn, and the last way from then on.
type server struct {
	*httptest.Server
	got []request
}

func serve(t *testing.T, answers ...http.HandlerFunc) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.got = append(s.got, request{r.Method, r.URL.String(), r.Header.Get("Authorization"), r.Header.Get(headerID), string(body)})
		answers[min(len(s.got), len(answers))-1](w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func says(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(code)
		fmt.Fprint(w, text)
	}
}

func sender(t *testing.T, kind string, options any) notify.Sender {
	t.Helper()
	text, err := yaml.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(kind, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verdict is what an error means for the next attempt.
func verdict(err error) (final bool, wait time.Duration) {
	if f, ok := errors.AsType[*notify.Failure](err); ok {
		return f.Final, f.Wait
	}
	return false, 0
}

func message(change func(*notify.Message)) notify.Message {
	m := notify.Message{ID: "id", Service: "hook", Recipient: "to", At: time.Unix(0, 0), Template: notify.Template{Message: "hello"}}
	if change != nil {
		change(&m)
	}
	return m
}

func TestServicesThatAreNotBuiltAreRefusedByName(t *testing.T) {
	if _, err := New("teams", nil); err == nil || !strings.Contains(err.Error(), `"teams" are not supported; there are alertmanager, email, slack, webhook`) {
		t.Errorf("the error is %v", err)
	}
	for kind, options := range map[string]string{
		"webhook":      "{url: h, nope: 1}",
		"slack":        "{}",
		"email":        "{host: h, port: many, from: a@b}",
		"alertmanager": "{}",
	} {
		if _, err := New(kind, []byte(options)); err == nil {
			t.Errorf("%s takes %s", kind, options)
		}
	}
}

func TestSettingsOfConnectionsAreTakenThoughTheyHaveNoEffect(t *testing.T) {
	const settings = ", retryMax: 3, retryWaitMin: 1s, retryWaitMax: 5s, maxIdleConns: 1, maxIdleConnsPerHost: 1, maxConnsPerHost: 1, idleConnTimeout: 90s}"
	for kind, options := range map[string]string{"webhook": "{url: h", "slack": "{token: t, signingSecret: s, channels: [c]", "alertmanager": "{targets: [h]"} {
		if _, err := New(kind, []byte(options+settings)); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestAWebhookGetsTheRequestOfItsTemplate(t *testing.T) {
	for name, test := range map[string]struct {
		webhook map[string]notify.Webhook
		want    request
	}{
		"all fields": {map[string]notify.Webhook{"hook": {Method: "post", Path: "/x?y=z", Body: "b"}}, request{"POST", "/base/x?y=z", "Bearer " + canary, "id", "b"}},
		"a query":    {map[string]notify.Webhook{"hook": {Path: "?y=z"}}, request{"GET", "/base?y=z", "Bearer " + canary, "id", "hello"}},
		"no section": {nil, request{"GET", "/base", "Bearer " + canary, "id", "hello"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, says(200, ""))
			hook := sender(t, "webhook", map[string]any{"url": s.URL + "/base", "headers": []any{map[string]any{"name": "Authorization", "value": "Bearer " + canary}}})
			if err := hook.Send(t.Context(), message(func(m *notify.Message) { m.Webhook = test.webhook })); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]request{test.want}, s.got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnAnswerSaysWhetherToTryAgain(t *testing.T) {
	for code, final := range map[int]bool{400: true, 401: true, 404: true, 410: true, 408: false, 425: false, 429: false, 500: false, 503: false} {
		s := serve(t, says(code, "you sent "+canary+" to /services/"+canary))
		hook := sender(t, "webhook", map[string]any{"url": s.URL + "/services/" + canary, "basicAuth": map[string]any{"username": "me", "password": canary}})
		err := hook.Send(t.Context(), message(nil))
		if got, wait := verdict(err); got != final || wait != 7*time.Second || strings.Contains(err.Error(), canary) {
			t.Errorf("%d: final %t, wait %s, error %v", code, got, wait, err)
		}
	}
}

func TestAServerThatIsDownOrTalksGarbageIsTriedAgain(t *testing.T) {
	down := serve(t, says(200, ""))
	down.Close()
	garbage := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			fmt.Fprint(connection, "\x00\x01 no HTTP at all\r\n")
			connection.Close()
		}
	})
	for name, url := range map[string]string{"down": down.URL, "garbage": garbage.URL} {
		err := sender(t, "webhook", map[string]any{"url": url + "/services/" + canary}).Send(t.Context(), message(nil))
		if final, _ := verdict(err); err == nil || final || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: final %t, error %v", name, final, err)
		}
	}
}

func slackSays(answer string) http.HandlerFunc { return says(200, answer) }

func TestSlackGetsAMessageWithEverythingOfItsTemplate(t *testing.T) {
	s := serve(t, slackSays(`{"ok":true,"channel":"C1","ts":"1.1"}`))
	slack := sender(t, "slack", map[string]any{"token": canary, "apiURL": s.URL + "/api/", "username": "default", "icon": ":rocket:", "disableUnfurl": true})
	err := slack.Send(t.Context(), message(func(m *notify.Message) {
		m.Slack = notify.Slack{Username: "own", Attachments: `[{"title":"x"}]`, Blocks: `[{"type":"divider"}]`}
	}))
	if err != nil || len(s.got) != 1 || s.got[0].Auth != "Bearer "+canary || s.got[0].Path != "/api/chat.postMessage" {
		t.Fatalf("%+v, %v", s.got, err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(s.got[0].Body), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"channel": "to", "text": "hello", "username": "own", "icon_emoji": ":rocket:", "unfurl_links": false, "unfurl_media": false,
		"attachments": []any{map[string]any{"title": "x"}}, "blocks": []any{map[string]any{"type": "divider"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMessagesOfOneGroupingKeyShareAThread(t *testing.T) {
	for policy, want := range map[string][]string{
		"":              {"/chat.postMessage", "/chat.postMessage 1.1"},
		"PostAndUpdate": {"/chat.postMessage", "/chat.update of 1.1 in C1", "/chat.postMessage 1.1"},
		"Update":        {"/chat.postMessage", "/chat.update of 1.1 in C1"},
	} {
		t.Run(policy, func(t *testing.T) {
			s := serve(t, slackSays(`{"ok":true,"channel":"C1","ts":"1.1"}`))
			slack := sender(t, "slack", map[string]any{"token": canary, "apiURL": s.URL})
			for range 2 {
				if err := slack.Send(t.Context(), message(func(m *notify.Message) { m.Slack = notify.Slack{GroupingKey: "k", DeliveryPolicy: policy} })); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, r := range s.got {
				var p post
				if err := json.Unmarshal([]byte(r.Body), &p); err != nil {
					t.Fatal(err)
				}
				line := r.Path
				if p.TS != "" {
					line += " of " + p.TS + " in " + p.Channel
				}
				if p.ThreadTS != "" {
					line += " " + p.ThreadTS
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatSlackRefusesIsToldApart(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		change func(*notify.Message)
		final  bool
		want   string
	}{
		"no such channel":   {answer: `{"ok":false,"error":"channel_not_found"}`, final: true, want: "channel_not_found"},
		"too many requests": {answer: `{"ok":false,"error":"ratelimited"}`, want: "ratelimited"},
		"no JSON":           {answer: `<html>`, want: "not the JSON"},
		"no channel":        {change: func(m *notify.Message) { m.Recipient = "" }, final: true, want: "names no channel"},
		"bad attachments":   {change: func(m *notify.Message) { m.Slack.Attachments = "{" }, final: true, want: "slack.attachments is not JSON"},
		"bad blocks":        {change: func(m *notify.Message) { m.Slack.Blocks = "x" }, final: true, want: "slack.blocks is not JSON"},
		"a strange policy":  {change: func(m *notify.Message) { m.Slack.DeliveryPolicy = "Never" }, final: true, want: `"Never"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, slackSays(test.answer))
			err := sender(t, "slack", map[string]any{"token": canary, "apiURL": s.URL}).Send(t.Context(), message(test.change))
			if final, _ := verdict(err); err == nil || final != test.final || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), canary) {
				t.Errorf("final %t, error %v", final, err)
			}
		})
	}
}

func alarm(m *notify.Message) {
	m.Alertmanager = notify.Alertmanager{Labels: map[string]string{"alertname": "x"}, GeneratorURL: "http://g"}
}

func TestAnAlertReachesEachAlertmanager(t *testing.T) {
	a, b := serve(t, says(200, "")), serve(t, says(500, ""))
	am := sender(t, "alertmanager", map[string]any{"targets": []string{a.Listener.Addr().String(), b.Listener.Addr().String()}, "bearerToken": canary})
	if err := am.Send(t.Context(), message(alarm)); err != nil {
		t.Fatalf("one took it, but the error is %v", err)
	}
	want := request{"POST", "/api/v2/alerts", "Bearer " + canary, "",
		`[{"labels":{"alertname":"x"},"annotations":{"message":"hello"},"generatorURL":"http://g","startsAt":"1970-01-01T00:00:00Z"}]`}
	if diff := cmp.Diff([]request{want}, a.got); diff != "" {
		t.Error(diff)
	}
}

func TestAnAlertThatNobodyTakesIsAFailure(t *testing.T) {
	bad, busy := serve(t, says(400, canary)), serve(t, says(503, ""))
	for name, test := range map[string]struct {
		targets []*server
		change  func(*notify.Message)
		final   bool
	}{
		"all refuse it":            {[]*server{bad, bad}, alarm, true},
		"one may take it later":    {[]*server{bad, busy}, alarm, false},
		"an alert without a label": {[]*server{busy}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			var targets []string
			for _, s := range test.targets {
				targets = append(targets, s.Listener.Addr().String())
			}
			err := sender(t, "alertmanager", map[string]any{"targets": targets, "basicAuth": map[string]any{"username": "u", "password": canary}}).Send(t.Context(), message(test.change))
			if final, _ := verdict(err); err == nil || final != test.final || strings.Contains(err.Error(), canary) {
				t.Errorf("final %t, error %v", final, err)
			}
		})
	}
}
