package forge

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// hook is where pushes are told, as Gitea tells them.
type hook struct{ url, secret string }

// Tell has each push, and each change of a request, from now on told to a webhook. One that is not taken within seconds is an error of Stop.
func (f *Forge) Tell(url, secret string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hooks = append(f.hooks, hook{url, secret})
}

// Hush has nobody told of anything, or everybody again.
func (f *Forge) Hush(hushed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hushed = hushed
}

// tell delivers what was pushed to the branch main of a repository, beside the answer to the push.
func (f *Forge) tell(repository string) {
	f.deliver("push", f.URL+"/"+strings.TrimSuffix(repository, ".git"))
}

// TellRequest tells that a pull request of the repository with this page has changed.
func (f *Forge) TellRequest(page string) { f.deliver("pull_request", page) }

func (f *Forge) deliver(event, page string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hushed {
		return
	}
	for _, h := range f.hooks {
		f.deliveries.Go(func() {
			if err := h.deliver(event, page); err != nil {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.undelivered = append(f.undelivered, fmt.Errorf("telling of a %s of %s: %w", event, page, err))
			}
		})
	}
}

// deliver sends one delivery, again and again while it is not taken.
func (h hook) deliver(event, page string) error {
	body, err := json.Marshal(map[string]any{
		"ref": "refs/heads/main", "repository": map[string]any{"html_url": page, "default_branch": "main"},
	})
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		if err = h.send(event, body); err == nil || attempt == 5 {
			return err
		}
		time.Sleep(time.Duration(attempt) * 200 * time.Millisecond)
	}
}

func (h hook) send(event string, body []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	sum := hmac.New(sha256.New, []byte(h.secret))
	sum.Write(body)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Gogs-Event", event)
	request.Header.Set("X-Gogs-Signature", hex.EncodeToString(sum.Sum(nil)))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the webhook answered %s", answer.Status)
	}
	return nil
}
