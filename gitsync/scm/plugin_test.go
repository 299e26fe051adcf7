package scm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/gitsync/generate"
)

const (
	aPlugin      = `{plugin: {configMapRef: {name: my-plugin}, input: {parameters: {team: a, limits: {cpu: 2}}}}}`
	pluginAsking = "POST /api/v1/getparams.execute"
)

func pluginAt(url string, change map[string]string) *corev1.ConfigMap {
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "my-plugin"}, Data: map[string]string{"baseUrl": url, "token": "$token:token"}}
	maps.Copy(m.Data, change)
	return m
}

func TestAPluginIsAskedAsItIsDocumented(t *testing.T) {
	there := newStandIn(t, map[string]reply{"POST /below/api/v1/getparams.execute": {body: `{"output": {"parameters": [{"name": "shop", "ports": [80], "deep": {"a": "b"}}, {"name": "bank"}]}}`}})
	a := newAsker(tokenIn("argocd", "token"), pluginAt(there.URL+"/below/", nil))
	got, err := answerTo(t, a, setIn("argocd"), question(t, generate.Question{About: generate.AboutPlugin}, aPlugin, ""))
	if err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{{"name": "shop", "ports": []any{80.0}, "deep": map[string]any{"a": "b"}}, {"name": "bank"}}
	if diff := cmp.Diff(want, got.Parameters); diff != "" {
		t.Error(diff)
	}
	if there.sent != `{"applicationSetName":"set","input":{"parameters":{"limits":{"cpu":2},"team":"a"}}}` {
		t.Errorf("sent %s", there.sent)
	}
	if h := there.last.Header; h.Get("Authorization") != "Bearer "+canary || h.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", h)
	}
}

func TestAPluginMayUseItsKeysOfTheSecretOfWebhooks(t *testing.T) {
	there := newStandIn(t, map[string]reply{pluginAsking: {body: `{"output": {"parameters": []}}`}})
	secret := tokenIn("argocd", "argocd-secret")
	secret.Data["plugin.mine.token"], secret.Data["webhook.github.secret"] = []byte(canary), []byte(canary)
	for token, fine := range map[string]bool{"$plugin.mine.token": true, "$argocd-secret:plugin.mine.token": true, "$webhook.github.secret": false, "$argocd-secret:webhook.github.secret": false} {
		_, err := answerTo(t, newAsker(secret, pluginAt(there.URL, map[string]string{"token": token})), setIn("argocd"), question(t, generate.Question{About: generate.AboutPlugin}, aPlugin, ""))
		if (err == nil) != fine || err != nil && !strings.Contains(err.Error(), "only its keys that begin with plugin.") {
			t.Errorf("%s: %v", token, err)
		}
	}
}

func TestWhatIsWrongWithAPluginIsTold(t *testing.T) {
	body := func(text string) map[string]reply { return map[string]reply{pluginAsking: {body: text}} }
	for _, c := range []struct {
		name    string
		change  map[string]string
		replies map[string]reply
		want    string
	}{
		{"a token that is written down", map[string]string{"token": canary}, nil, "a token itself does not belong into a ConfigMap"},
		{"no token", map[string]string{"token": ""}, nil, "token of ConfigMap argocd/my-plugin"},
		{"a Secret without that key", map[string]string{"token": "$token:other"}, nil, "key other of Secret argocd/token is empty or missing"},
		{"no address", map[string]string{"baseUrl": ""}, nil, "baseUrl of ConfigMap argocd/my-plugin"},
		{"a time that is none", map[string]string{"requestTimeout": "30s"}, nil, `requestTimeout of ConfigMap argocd/my-plugin: "30s"`},
		{"a negative time", map[string]string{"requestTimeout": "-1"}, nil, "no number of seconds"},
		{"a refusal that repeats the token", nil, map[string]reply{pluginAsking: {code: 403, body: "no: " + canary}}, "403 Forbidden: no: ***"},
		{"no such path", nil, nil, "404 Not Found"},
		{"an answer that is none", nil, body(``), "reading the answer"},
		{"null", nil, body(`null`), "no list output.parameters"},
		{"no parameters", nil, body(`{"output": {}}`), "no list output.parameters"},
		{"parameters that are null", nil, body(`{"output": {"parameters": null}}`), "no list output.parameters"},
		{"parameters that are no objects", nil, body(`{"output": {"parameters": ["a"]}}`), "reading the answer"},
		{"too much", nil, body(`{"output": {"parameters": [{"a": "` + strings.Repeat("x", 5<<20) + `"}]}}`), "larger than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			there := newStandIn(t, c.replies)
			change := map[string]string{"baseUrl": there.URL}
			maps.Copy(change, c.change)
			_, err := answerTo(t, newAsker(tokenIn("argocd", "token"), pluginAt("", change)), setIn("argocd"), question(t, generate.Question{About: generate.AboutPlugin}, aPlugin, ""))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one about %q", err, c.want)
			}
		})
	}
}

func TestAPluginThatHangsHasNoMoreThanItsTime(t *testing.T) {
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"output": {"parameters": [`)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	_, err := answerTo(t, newAsker(tokenIn("argocd", "token"), pluginAt(api, map[string]string{"requestTimeout": "1"})), setIn("argocd"), question(t, generate.Question{About: generate.AboutPlugin}, aPlugin, ""))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 1s") {
		t.Error(err)
	}
}

func TestAPluginOfAnotherNamespaceNeedsLeave(t *testing.T) {
	there := newStandIn(t, nil)
	m := pluginAt(there.URL, nil)
	m.Namespace = "team-a"
	_, err := answerTo(t, newAsker(m, tokenIn("team-a", "token")), setIn("team-a"), question(t, generate.Question{About: generate.AboutPlugin}, aPlugin, ""))
	if err == nil || !strings.Contains(err.Error(), "--allowed-scm-providers") || len(there.asked()) > 0 {
		t.Errorf("%v, asked %q", err, there.asked())
	}
}
