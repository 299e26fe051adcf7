package load

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sluice-delivery/sluice/test/world/gateway"
)

func serve(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

func drive(t *testing.T, o Options) *Driver {
	t.Helper()
	d, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOnlyLoopbackAndSensibleRatesAreAccepted(t *testing.T) {
	cases := []struct{ name, url string }{
		{"another machine", "http://192.0.2.1/"},
		{"a name, which may be any machine", "http://example.com/"},
		{"another protocol", "https://127.0.0.1/"},
		{"no address", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if d, err := Start(t.Context(), Options{URL: c.url, Rate: 1, Requests: 1}); err == nil {
				d.Stop()
				t.Errorf("%q was accepted", c.url)
			}
		})
	}
	for _, rate := range []float64{0, -1, 1e9, math.NaN()} {
		if d, err := Start(t.Context(), Options{URL: "http://127.0.0.1:1", Rate: rate, Requests: 1}); err == nil {
			d.Stop()
			t.Errorf("a rate of %v was accepted", rate)
		}
	}
	if err := onlyLoopback(t.Context(), "tcp", "192.0.2.1:80", nil); err == nil {
		t.Error("a connection to another machine was let through")
	}
}

func TestTheRateIsConstantAndTheDriverEndsByItself(t *testing.T) {
	var served atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		if r.Host != "shop.example" || r.Header.Get("X-User") != "eve" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	before := runtime.NumGoroutine()
	began := time.Now()
	d := drive(t, Options{URL: url, Rate: 200, Requests: 60, Host: "shop.example", Header: http.Header{"X-User": {"eve"}}})
	d.Wait()
	if took := time.Since(began); took < 290*time.Millisecond {
		t.Errorf("60 requests at 200 a second took %s", took)
	}
	if served.Load() != 60 || len(d.Records()) != 60 {
		t.Errorf("%d served, %d recorded, want 60", served.Load(), len(d.Records()))
	}
	if r, odd := d.First(func(r Record) bool { return r.Status != 200 }); odd {
		t.Errorf("record %+v", r)
	}
	err := wait.PollUntilContextTimeout(context.Background(), time.Millisecond, 20*time.Second, true,
		func(context.Context) (bool, error) { return runtime.NumGoroutine() <= before, nil })
	if err != nil {
		t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
	}
}

func TestTheRateFollowsWhatItIsSetTo(t *testing.T) {
	d := drive(t, Options{URL: serve(t, func(http.ResponseWriter, *http.Request) {}), Rate: 1000, Requests: 20})
	if err := d.SetRate(0); err == nil {
		t.Error("a rate of 0 was accepted")
	}
	if err := d.SetRate(100); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	d.Wait()
	if took := time.Since(began); took < 150*time.Millisecond {
		t.Errorf("20 requests at 100 a second took %s", took)
	}
	if after, none := len(d.After(5)), len(d.After(30)); after != 15 || none != 0 {
		t.Errorf("of 20 there are %d after the first 5, and %d after the first 30", after, none)
	}
}

func TestATimeLimitEndsTheDriver(t *testing.T) {
	d := drive(t, Options{URL: serve(t, func(http.ResponseWriter, *http.Request) {}), Rate: 100, For: 50 * time.Millisecond})
	d.Wait()
	if n := len(d.Records()); n > 20 {
		t.Errorf("%d requests in 50 ms at 100 a second", n)
	}
}

func TestWhatBecameOfRequestsIsCounted(t *testing.T) {
	var n atomic.Int64
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Version", "v1")
		switch n.Add(1) {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			w.Header().Del("X-Version")
			w.Header().Set(gateway.LostHeader, "no ready endpoint")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusOK)
		case 4:
			w.Header().Set("X-Version", "v2")
		}
	})
	// One at a time, so that the cases come in their order.
	d := drive(t, Options{URL: url, Rate: 20, Requests: 5, AtOnce: 1})
	d.Wait()
	want := Summary{Sent: 5, Failed: 1, Lost: 2, Versions: map[string]int{"v1": 2, "v2": 1}, Failures: map[string]int{"v1": 1}, Errs: map[string]int{"no ready endpoint": 1, "cut": 1}}
	if diff := cmp.Diff(want, d.Between(time.Time{}, time.Time{})); diff != "" {
		t.Errorf("summary differs (-want +got):\n%s", diff)
	}
	if got := want.Share("v1"); math.Abs(got-2.0/3) > 1e-9 {
		t.Errorf("share %v", got)
	}
	if got := want.Success(); got != 0.4 {
		t.Errorf("success %v", got)
	}
}

func TestNobodyThereAndNoAnswerAreTwoKindsOfLoss(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for url, want := range map[string]string{gone.URL: "refused", slow: "timeout"} {
		d := drive(t, Options{URL: url, Rate: 100, Requests: 1, Timeout: 100 * time.Millisecond})
		d.Wait()
		if r, lost := d.First(Record.Lost); !lost || r.Err != want {
			t.Errorf("record %+v, want the error %s", r, want)
		}
	}
}

func TestRequestsBeyondTheLimitAreNotedAndNotSent(t *testing.T) {
	release := make(chan struct{})
	var served atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		served.Add(1)
		<-release
	})
	d := drive(t, Options{URL: url, Rate: 1000, Requests: 30, AtOnce: 2})
	err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, 20*time.Second, true,
		func(context.Context) (bool, error) { return len(d.Records()) == 28, nil })
	close(release)
	d.Wait()
	got := d.Between(time.Time{}, time.Time{})
	if err != nil || got.Sent != 2 || got.Unsent != 28 || served.Load() != 2 {
		t.Errorf("%v: summary %+v with %d served, want 2 sent and 28 not", err, got, served.Load())
	}
}

func TestAWindowHoldsWhatWasSentInIt(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(1000+second), 0) }
	d := &Driver{}
	for i := range 10 {
		d.keep(Record{At: at(i), Took: time.Millisecond, Status: 200, Version: strings.Repeat("v", 1+i/5)})
	}
	want := Summary{Sent: 3, Versions: map[string]int{"v": 2, "vv": 1}, Failures: map[string]int{}, Errs: map[string]int{}}
	if diff := cmp.Diff(want, d.Between(at(3), at(6))); diff != "" {
		t.Errorf("summary differs (-want +got):\n%s", diff)
	}
	newer := func(r Record) bool { return r.Version == "vv" }
	first, _ := d.First(newer)
	last, _ := d.Last(newer)
	if !first.At.Equal(at(5)) || !last.At.Equal(at(9)) {
		t.Errorf("from %s to %s", first.At, last.At)
	}
	if _, found := d.Last(Record.Lost); found {
		t.Error("a loss was found")
	}
}
