package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPrometheusScrapesWhatItsTargetsURLNamesAndLeavesNothingBehind(t *testing.T) {
	var name atomic.Value
	name.Store("shop-1")
	var pod *httptest.Server
	pod = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			fmt.Fprintln(w, `requests_total{code="200"} 7`)
			return
		}
		fmt.Fprintf(w, `[{"targets":[%q],"labels":{"pod":%q}}]`, strings.TrimPrefix(pod.URL, "http://"), name.Load())
	}))
	defer pod.Close()
	p, err := StartPrometheus(t.Context(), PrometheusOptions{TargetsURL: pod.URL, ScrapeInterval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	sampled(t, p, "shop-1")
	name.Store("shop-2")
	sampled(t, p, "shop-2")
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if alive(p.process.PID()) {
		t.Error("Prometheus still runs")
	}
	if _, err := os.Stat(p.dir); !os.IsNotExist(err) {
		t.Errorf("the folder %s is still there (%v)", p.dir, err)
	}
}

func sampled(t *testing.T, p *Prometheus, pod string) {
	t.Helper()
	until(t, "the sample of "+pod+" is there", func(ctx context.Context) (bool, error) {
		got, err := query(ctx, p.URL, fmt.Sprintf("requests_total{pod=%q}", pod))
		return cmp.Equal(got, []string{"7"}), err
	})
}

func TestTargetsAreWrittenAgainOnlyWhenThereIsANewOne(t *testing.T) {
	answer := `[{"targets":["a"]},{"targets":["b"]}]`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
	defer server.Close()
	f := &follower{url: server.URL, file: filepath.Join(t.TempDir(), targetsFile)}
	copied := func() os.FileInfo {
		t.Helper()
		if err := f.copy(t.Context()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(f.file)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := copied()
	answer = `[{"targets":["b"]},{"targets":["a"]}]`
	if !os.SameFile(first, copied()) {
		t.Error("another order of the same targets was written as news")
	}
	answer = `[{"targets":["b"]}]`
	if !os.SameFile(first, copied()) {
		t.Error("that a target went away was written as news")
	}
	answer = `[{"targets":["b"]},{"targets":["c"]}]`
	copied()
	if content, err := os.ReadFile(f.file); err != nil || string(content) != answer {
		t.Errorf("the file holds %s (%v), not %s", content, err, answer)
	}
	answer = `{"targets": "all"}`
	if err := f.copy(t.Context()); err == nil || !strings.Contains(err.Error(), server.URL) {
		t.Errorf("an answer that is no list of groups gave %v", err)
	}
}

// query returns the values of an instant query.
func query(ctx context.Context, prometheus, expression string) ([]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, prometheus+"/api/v1/query", nil)
	if err != nil {
		return nil, err
	}
	request.URL.RawQuery = url.Values{"query": {expression}}.Encode()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	err = json.NewDecoder(response.Body).Decode(&answer)
	var values []string
	for _, result := range answer.Data.Result {
		values = append(values, fmt.Sprint(result.Value[1]))
	}
	return values, err
}
