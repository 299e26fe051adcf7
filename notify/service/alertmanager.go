package service

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/notify"
)

// alertmanager puts alerts into each member of a cluster of Alertmanagers, by version 2 of its API.
type alertmanager struct {
	tuning
	Targets            []string `json:"targets"`
	Scheme             string   `json:"scheme"`
	APIPath            string   `json:"apiPath"`
	BasicAuth          *account `json:"basicAuth"`
	BearerToken        string   `json:"bearerToken"`
	InsecureSkipVerify bool     `json:"insecureSkipVerify"`
	// Timeout is in seconds, 3 if zero.
	Timeout number `json:"timeout"`
}

type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
	StartsAt     time.Time         `json:"startsAt"`
}

func newAlertmanager(options []byte) (notify.Sender, error) {
	a := &alertmanager{}
	if err := parse(options, a); err != nil {
		return nil, err
	}
	if len(a.Targets) == 0 {
		return nil, errors.New("its options name no targets, such as alertmanager.monitoring:9093")
	}
	return a, nil
}

// Send tells all members at the same time; one that takes the alert is enough, as the members tell each other.
func (a *alertmanager) Send(ctx context.Context, m notify.Message) error {
	if len(m.Alertmanager.Labels) == 0 {
		return final("the template gives the alert no labels: set alertmanager.labels")
	}
	annotations := m.Alertmanager.Annotations
	if annotations == nil && m.Template.Message != "" {
		annotations = map[string]string{"message": m.Template.Message}
	}
	body, err := json.Marshal([]alert{{
		Labels: m.Alertmanager.Labels, Annotations: annotations, GeneratorURL: m.Alertmanager.GeneratorURL, StartsAt: m.At.UTC(),
	}})
	if err != nil {
		return final("writing the alert: %w", err)
	}
	problems := make([]error, len(a.Targets))
	var all sync.WaitGroup
	for i, target := range a.Targets {
		all.Go(func() { problems[i] = a.tell(ctx, target, body) })
	}
	all.Wait()
	return fewest(problems)
}

func (a *alertmanager) tell(ctx context.Context, target string, body []byte) error {
	q := outbound.Question{
		Method: http.MethodPost, URL: cmp.Or(a.Scheme, "http") + "://" + target + cmp.Or(a.APIPath, "/api/v2/alerts"), Body: body,
		Header: map[string]string{"Content-Type": "application/json"}, Insecure: a.InsecureSkipVerify,
		Timeout: min(time.Duration(cmp.Or(max(a.Timeout, 0), 3))*time.Second, timeout),
	}
	if a.BasicAuth == nil && a.BearerToken != "" {
		q.Header["Authorization"] = "Bearer " + a.BearerToken
		q.Secrets = append(q.Secrets, a.BearerToken)
	}
	_, err := ask(ctx, q, a.BasicAuth)
	return err
}

// fewest is nil if one target took the alert, and else an error that allows for another try if one of them does.
func fewest(problems []error) error {
	for _, err := range problems {
		if err == nil {
			return nil
		}
	}
	for _, err := range problems {
		if f, ok := errors.AsType[*notify.Failure](err); !ok || !f.Final {
			return err
		}
	}
	return problems[0]
}
