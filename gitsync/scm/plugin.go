package scm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/analysis/outbound"
	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// pluginQuestion is what a plugin is sent.
type pluginQuestion struct {
	ApplicationSetName string               `json:"applicationSetName"`
	Input              gitopsv1.PluginInput `json:"input"`
}

type pluginAnswer struct {
	Output struct{ Parameters []map[string]any }
}

// plugin reads the ConfigMap of a plugin, and gives the way to ask it.
func (a *Asker) plugin(ctx context.Context, set *gitopsv1.ApplicationSet, g *gitopsv1.PluginGenerator) (func(context.Context, generate.Question) (generate.Answer, error), error) {
	name := client.ObjectKey{Namespace: set.Namespace, Name: g.ConfigMapRef.Name}
	m := &corev1.ConfigMap{}
	if err := a.Reader.Get(ctx, name, m); err != nil {
		return nil, fmt.Errorf("reading the plugin of ConfigMap %s: %w", name, err)
	}
	at, err := Address(m.Data["baseUrl"])
	if err != nil {
		return nil, fmt.Errorf("baseUrl of ConfigMap %s: %w", name, err)
	}
	s, err := a.server(ctx, set, at, false, nil)
	if err != nil {
		return nil, err
	}
	if s.timeout, err = pluginTimeout(m.Data["requestTimeout"]); err != nil {
		return nil, fmt.Errorf("requestTimeout of ConfigMap %s: %w", name, err)
	}
	ref, err := pluginToken(m.Data["token"])
	if err != nil {
		return nil, fmt.Errorf("token of ConfigMap %s: %w", name, err)
	}
	if err := s.authorize(ctx, set, ref, at, "Authorization", "Bearer "); err != nil {
		return nil, err
	}
	s.header["Content-Type"] = "application/json"
	body, err := json.Marshal(pluginQuestion{set.Name, g.Input})
	if err != nil {
		return nil, fmt.Errorf("writing the question to the plugin: %w", err)
	}
	return func(ctx context.Context, _ generate.Question) (answer generate.Answer, err error) {
		answer.Parameters, err = s.parameters(ctx, body)
		return answer, err
	}, nil
}

func (s *server) parameters(ctx context.Context, body []byte) ([]map[string]any, error) {
	var got pluginAnswer
	err := s.ask(ctx, http.MethodPost, "/api/v1/getparams.execute", nil, body, func(answer *http.Response) error {
		answer.Body = http.MaxBytesReader(nil, answer.Body, outbound.MaxAnswer)
		if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		if got.Output.Parameters == nil {
			return errors.New("the answer has no list output.parameters")
		}
		return nil
	})
	return got.Output.Parameters, err
}

func pluginTimeout(text string) (time.Duration, error) {
	if text == "" {
		return timeout, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 1 {
		return 0, fmt.Errorf("%q is no number of seconds", text)
	}
	return min(outbound.Timeout(seconds, timeout), longest), nil
}

// pluginToken reads $secret:key, or $key for a key of the Secret of webhooks.
func pluginToken(text string) (*gitopsv1.SecretRef, error) {
	name, isRef := strings.CutPrefix(strings.TrimSpace(text), "$")
	if !isRef || name == "" {
		return nil, errors.New("it must name a key of a Secret, as $secret:key; a token itself does not belong into a ConfigMap")
	}
	secret, key, both := strings.Cut(name, ":")
	if !both {
		secret, key = gitopsv1.SecretWebhooks, name
	}
	return &gitopsv1.SecretRef{SecretName: secret, Key: key}, nil
}
