package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestDescribe(t *testing.T) {
	cases := []struct {
		name    string
		image   string
		env     []corev1.EnvVar
		want    Config
		refused string
	}{
		{name: "the tag is the version", image: "sluice.example/shop:v1", want: Config{Version: "v1"}},
		{name: "a port of the registry is no tag", image: "localhost:5000/shop", want: Config{Version: "latest"}},
		{name: "a tag wins over a digest", image: "shop:v1@sha256:ab", want: Config{Version: "v1"}},
		{name: "a digest alone is the version", image: "shop@sha256:ab", want: Config{Version: "sha256:ab"}},
		{name: "a bad tag fails half of the time", image: "shop:v3-bad", want: Config{Version: "v3-bad", ErrorRate: 0.5}},
		{name: "a word that holds bad is not bad", image: "shop:badge", want: Config{Version: "badge"}},
		{
			name: "the environment overrides the tag", image: "shop:v3-bad",
			env:  []corev1.EnvVar{{Name: "ERROR_RATE", Value: "0.2"}, {Name: "LATENCY", Value: "5ms"}, {Name: "OTHER", Value: "x"}},
			want: Config{Version: "v3-bad", ErrorRate: 0.2, Latency: 5 * time.Millisecond},
		},
		{name: "a rate above one is refused", image: "shop:v1", env: []corev1.EnvVar{{Name: "ERROR_RATE", Value: "2"}}, refused: "ERROR_RATE"},
		{name: "a rate that is no number is refused", image: "shop:v1", env: []corev1.EnvVar{{Name: "ERROR_RATE", Value: "NaN"}}, refused: "ERROR_RATE"},
		{name: "a capacity is a number of requests per second", image: "shop:v1", env: []corev1.EnvVar{{Name: "CAPACITY", Value: "12.5"}}, want: Config{Version: "v1", Capacity: 12.5}},
		{name: "a capacity of nothing is refused", image: "shop:v1", env: []corev1.EnvVar{{Name: "CAPACITY", Value: "0"}}, refused: "CAPACITY"},
		{name: "a latency without a unit is refused", image: "shop:v1", env: []corev1.EnvVar{{Name: "LATENCY", Value: "5"}}, refused: "LATENCY"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Labels: map[string]string{hashLabel: "h"}}}
			got, err := Describe(pod, &corev1.Container{Name: "web", Image: c.image, Env: c.env})
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Fatalf("error %v does not name %s", err, c.refused)
				}
				return
			}
			c.want.Pod, c.want.Hash = "p", "h"
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("error %v, difference (-want +got):\n%s", err, diff)
			}
		})
	}
}

func start(t *testing.T, c Config) (*Server, string) {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.Addr().String()
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Start(addr, c)
	if err != nil {
		t.Fatal(err)
	}
	return s, "http://" + addr
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestABadVersionFailsAtItsRateAndItsMetricsSaySo(t *testing.T) {
	s, url := start(t, Config{Pod: "web-1", Version: "v3-bad", Hash: "abc", ErrorRate: 0.25})
	statuses := map[int]int{}
	for range 40 {
		resp, body := get(t, url+"/any")
		statuses[resp.StatusCode]++
		if resp.Header.Get("X-Version") != "v3-bad" || body != `{"pod":"web-1","version":"v3-bad"}`+"\n" {
			t.Fatalf("header %v, body %s", resp.Header, body)
		}
	}
	if diff := cmp.Diff(map[int]int{200: 30, 500: 10}, statuses); diff != "" {
		t.Errorf("statuses differ (-want +got):\n%s", diff)
	}
	_, metrics := get(t, url+"/metrics")
	for _, want := range []string{
		`http_requests_total{rollouts_pod_template_hash="abc",status="200",version="v3-bad"} 30`,
		`http_requests_total{rollouts_pod_template_hash="abc",status="500",version="v3-bad"} 10`,
		`http_request_duration_seconds_count{rollouts_pod_template_hash="abc",version="v3-bad"} 40`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s:\n%s", want, metrics)
		}
	}
	if got := s.Requests(); got != 40 {
		t.Errorf("counted %d requests, want 40 without the scrape", got)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnInstanceThatIsAskedForMoreThanItCanTurnsRequestsAway(t *testing.T) {
	s, url := start(t, Config{Capacity: 0.1})
	first, _ := get(t, url)
	second, _ := get(t, url)
	if first.StatusCode != 200 || second.StatusCode != 503 {
		t.Errorf("one turn in ten seconds: answered with %d and then %d, want 200 and 503", first.StatusCode, second.StatusCode)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReadinessIsWhatItWasToldAndHealthIsAlwaysGood(t *testing.T) {
	s, url := start(t, Config{})
	before, _ := get(t, url+"/readyz")
	s.SetReady(true)
	after, _ := get(t, url+"/readyz")
	health, _ := get(t, url+"/healthz")
	got := fmt.Sprint(before.StatusCode, after.StatusCode, health.StatusCode)
	if want := "503 200 200"; got != want {
		t.Errorf("statuses %s, want %s", got, want)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAStoppingAppEndsOpenRequestsAndRefusesNewOnes(t *testing.T) {
	s, url := start(t, Config{Latency: 100 * time.Millisecond})
	arrived := make(chan struct{})
	inner := s.server.Handler
	s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		inner.ServeHTTP(w, r)
	})
	result := make(chan error, 1)
	go func() {
		resp, err := http.Get(url)
		if err == nil {
			err = resp.Body.Close()
		}
		result <- err
	}()
	<-arrived
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("the open request was cut: %v", err)
	}
	if resp, err := http.Get(url); err == nil {
		t.Errorf("a request after the end got %s", resp.Status)
	}
}

func TestARequestAfterTheStopIsCountedAsLate(t *testing.T) {
	s, _ := start(t, Config{})
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if s.Late() != 1 {
		t.Errorf("counted %d late requests, want 1", s.Late())
	}
}

func TestAStopThatMayNotWaitCutsWhatIsOpen(t *testing.T) {
	s, url := start(t, Config{Latency: time.Hour})
	arrived := make(chan struct{})
	inner := s.server.Handler
	s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		inner.ServeHTTP(w, r)
	})
	result := make(chan error, 1)
	go func() {
		_, err := http.Get(url)
		result <- err
	}()
	<-arrived
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(now); err == nil {
		t.Error("the stop hides that it cut a request")
	}
	if err := <-result; err == nil {
		t.Error("the request outlived its app")
	}
}
