package service

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/notify"
)

// slack posts messages to a channel with chat.postMessage of Slack's Web API.
type slack struct {
	tuning
	Token              string   `json:"token"`
	Username           string   `json:"username"`
	Icon               string   `json:"icon"`
	APIURL             string   `json:"apiURL"`
	InsecureSkipVerify bool     `json:"insecureSkipVerify"`
	DisableUnfurl      bool     `json:"disableUnfurl"`
	SigningSecret      string   `json:"signingSecret"` // for commands that Slack sends, which is not what a controller takes
	Channels           []string `json:"channels"`      // of such commands

	mu      sync.Mutex
	threads map[string]place // by channel and grouping key
}

// place is a message in Slack, which others may answer.
type place struct{ channel, ts string }

// maxThreads is how many grouping keys are remembered; beyond that all are forgotten, and threads begin anew.
const maxThreads = 1000

// transient are the errors of Slack after which another try may help.
var transient = []string{"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}

// Delivery policies of messages with a grouping key.
const (
	policyPost          = "Post"
	policyPostAndUpdate = "PostAndUpdate"
	policyUpdate        = "Update"
)

type post struct {
	Channel        string          `json:"channel"`
	Text           string          `json:"text,omitempty"`
	Username       string          `json:"username,omitempty"`
	IconEmoji      string          `json:"icon_emoji,omitempty"`
	IconURL        string          `json:"icon_url,omitempty"`
	Attachments    json.RawMessage `json:"attachments,omitempty"`
	Blocks         json.RawMessage `json:"blocks,omitempty"`
	ThreadTS       string          `json:"thread_ts,omitempty"`
	ReplyBroadcast bool            `json:"reply_broadcast,omitempty"`
	UnfurlLinks    *bool           `json:"unfurl_links,omitempty"`
	UnfurlMedia    *bool           `json:"unfurl_media,omitempty"`
	// TS names the message that chat.update changes.
	TS string `json:"ts,omitempty"`
}

func newSlack(options []byte) (notify.Sender, error) {
	s := &slack{threads: map[string]place{}}
	if err := parse(options, s); err != nil {
		return nil, err
	}
	if s.Token == "" {
		return nil, errors.New("its options have no token")
	}
	return s, nil
}

// Send posts a message; one with a grouping key answers the first of its key, and may change that one's text as well.
func (s *slack) Send(ctx context.Context, m notify.Message) error {
	if m.Recipient == "" {
		return final("the subscription names no channel")
	}
	p, err := s.compose(m)
	if err != nil {
		return err
	}
	policy := cmp.Or(m.Slack.DeliveryPolicy, policyPost)
	if !slices.Contains([]string{policyPost, policyPostAndUpdate, policyUpdate}, policy) {
		return final("slack.deliveryPolicy is %q; use %s, %s or %s", policy, policyPost, policyPostAndUpdate, policyUpdate)
	}
	key := m.Recipient + "\x00" + m.Slack.GroupingKey
	first, known := s.thread(key)
	if m.Slack.GroupingKey == "" || !known {
		at, err := s.call(ctx, "chat.postMessage", p)
		if err == nil && m.Slack.GroupingKey != "" {
			s.remember(key, at)
		}
		return err
	}
	if policy != policyPost {
		update := p
		update.Channel, update.TS = first.channel, first.ts
		if _, err := s.call(ctx, "chat.update", update); err != nil || policy == policyUpdate {
			return err
		}
	}
	p.ThreadTS, p.ReplyBroadcast = first.ts, m.Slack.NotifyBroadcast
	_, err = s.call(ctx, "chat.postMessage", p)
	return err
}

func (s *slack) compose(m notify.Message) (p post, err error) {
	p = post{Channel: m.Recipient, Text: m.Template.Message, Username: cmp.Or(m.Slack.Username, s.Username)}
	switch icon := cmp.Or(m.Slack.Icon, s.Icon); {
	case strings.HasPrefix(icon, ":") && strings.HasSuffix(icon, ":"):
		p.IconEmoji = icon
	default:
		p.IconURL = icon
	}
	if s.DisableUnfurl {
		p.UnfurlLinks, p.UnfurlMedia = new(false), new(false)
	}
	if p.Attachments, err = raw(m.Slack.Attachments, "slack.attachments"); err != nil {
		return post{}, err
	}
	p.Blocks, err = raw(m.Slack.Blocks, "slack.blocks")
	return p, err
}

func (s *slack) call(ctx context.Context, method string, p post) (place, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return place{}, final("writing the message: %w", err)
	}
	text, err := ask(ctx, outbound.Question{
		Method: http.MethodPost, URL: strings.TrimRight(cmp.Or(s.APIURL, "https://slack.com/api/"), "/") + "/" + method, Body: body,
		Header:  map[string]string{"Content-Type": "application/json; charset=utf-8", "Authorization": "Bearer " + s.Token},
		Secrets: []string{s.Token}, Insecure: s.InsecureSkipVerify,
	}, nil)
	if err != nil {
		return place{}, err
	}
	var answer struct {
		OK      bool   `json:"ok"`
		Error   string `json:"error"`
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return place{}, fmt.Errorf("asking %s: the answer is not the JSON that was expected: %w", method, err)
	}
	if !answer.OK {
		err := fmt.Errorf("slack refuses %s: %.100q", method, cmp.Or(answer.Error, "no reason given"))
		return place{}, &notify.Failure{Err: err, Final: !slices.Contains(transient, answer.Error)}
	}
	return place{answer.Channel, answer.TS}, nil
}

func (s *slack) thread(key string) (place, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.threads[key]
	return p, ok
}

func (s *slack) remember(key string, p place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.threads) >= maxThreads {
		clear(s.threads)
	}
	s.threads[key] = p
}
