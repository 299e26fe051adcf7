package providertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// Namespace is that of the runs in the contract.
const Namespace = "shop"

// World is a provider and a metric that makes it ask a certain server.
type World struct {
	Provider analysis.Provider
	Metric   v1alpha1.Metric
	// Previous is a measurement in flight that the contract looks at again; none if nil.
	Previous *v1alpha1.Measurement
	// Secrets are what the provider was given to prove who it is.
	Secrets []string
}

// Setup makes the World of a server at an address.
type Setup func(t *testing.T, address string) World

// Measure takes a measurement as a controller would.
func (w World) Measure(ctx context.Context, previous *v1alpha1.Measurement) (analysis.Reading, error) {
	run := &v1alpha1.AnalysisRun{}
	run.Name, run.Namespace = "web-6d4-2", Namespace
	return w.Provider.Measure(ctx, run, w.Metric, previous)
}

func (w World) measure(ctx context.Context) (analysis.Reading, error) {
	return w.Measure(ctx, w.Previous)
}

// Contract runs the contract, each part with a server of its own.
func Contract(t *testing.T, setup Setup) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*testing.T, Setup)
	}{
		{"an answer other than 2xx is an error that names the status", namesTheStatus},
		{"a wish to be left alone is told", tellsTheWish},
		{"an answer that makes no sense is an error", refusesNonsense},
		{"an answer that says nothing is never good", approvesNothing},
		{"an endless answer is cut off", cutsOff},
		{"an answer that never ends does not outlive the deadline", keepsTheDeadline},
		{"a server that is away is an error without the query", reportsAbsence},
		{"credentials do not follow a redirect to another host", staysOnTheHost},
		{"what the provider was given does not come back", keepsSecrets},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, setup) })
	}
}

// serve runs a server that only this test knows. It reads questions whole, for only then it notices that nobody waits for the answer.
func serve(t *testing.T, answer http.HandlerFunc) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// refused expects a measurement to fail in words that hold part.
func refused(t *testing.T, w World, part string) {
	t.Helper()
	reading, err := w.measure(t.Context())
	if err == nil {
		t.Fatalf("no error but the reading %+v", reading)
	}
	if !strings.Contains(err.Error(), part) {
		t.Fatalf("the error %q does not speak of %q", err, part)
	}
}

func namesTheStatus(t *testing.T, setup Setup) {
	for _, status := range []int{400, 401, 403, 404, 429, 500, 502, 503} {
		address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, "the reason\n  why")
		})
		refused(t, setup(t, address), fmt.Sprintf("%d %s", status, http.StatusText(status)))
		refused(t, setup(t, address), "the reason why")
	}
}

func tellsTheWish(t *testing.T, setup Setup) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "37")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	refused(t, setup(t, address), "asks to wait 37s")
}

func refusesNonsense(t *testing.T, setup Setup) {
	for _, body := range []string{"<html>Log in</html>", "7", `"text"`, `{"data":`, "[{]", strings.Repeat(`{"data":`, 100_000), "\x00\xff", "# no\n\"table"} {
		refused(t, setup(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })), "answer")
	}
}

// approvesNothing sends answers of the right language that hold nothing, where each part of one may be missing, null, empty or of another type.
func approvesNothing(t *testing.T, setup Setup) {
	for _, body := range []string{
		"null", "{}", "[]", "[null]", "[{}]", "[[]]", `{"data":null}`, `{"data":{}}`, `{"data":[]}`, `{"data":{"attributes":{"columns":[null,{}]}}}`,
		`{"data":{"actor":{"account":{"nrql":{"results":null}}}}}`, `{"data":{"actor":{"account":{"nrql":{"results":[null]}}}}}`,
		`{"status":"ok"}`, `{"status":"ok","series":null}`, `{"status":"ok","series":[null]}`, `{"status":"ok","series":[{"pointlist":[null]}]}`,
		`[{"datapoints":null}]`, `{"timeseries":[null]}`, `{"timeseries":[{"data":[null]}]}`, `{"canaryExecutionId":null}`, `{"complete":true,"status":"succeeded","result":null}`,
		"", "\r\n", "#datatype", "#datatype,double\n,_value\n", "#datatype,double\n,_value\n,\n", "error,reference\n", "error",
		"<GetMetricDataResponse/>", "<GetMetricDataResponse><GetMetricDataResult><MetricDataResults><member/></MetricDataResults></GetMetricDataResult></GetMetricDataResponse>",
	} {
		w := setup(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		reading, err := w.measure(t.Context())
		if m := analysis.Judge(analysis.Attempt{Metric: w.Metric, Reading: reading, Err: err}); m.Phase == v1alpha1.AnalysisPhaseSuccessful && hollow(reading.Result) {
			t.Errorf("%q is good: %+v", body, reading)
		}
	}
}

// hollow reports whether a result holds nothing.
func hollow(result any) bool {
	switch r := result.(type) {
	case nil:
		return true
	case []float64:
		return len(r) == 0
	case []any:
		return !slices.ContainsFunc(r, func(one any) bool { return !hollow(one) })
	case map[string]any:
		return len(r) == 0
	}
	return false
}

func cutsOff(t *testing.T, setup Setup) {
	const hundredMegabytes = 100 << 20
	var sent atomic.Int64
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat(" ", 64<<10))
		for sent.Load() < hundredMegabytes {
			n, err := w.Write(chunk)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	})
	refused(t, setup(t, address), "too large")
	if sent.Load() >= hundredMegabytes {
		t.Fatal("the whole answer was read")
	}
}

func keepsTheDeadline(t *testing.T, setup Setup) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, " ")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if reading, err := setup(t, address).measure(ctx); err == nil || !strings.Contains(err.Error(), "no answer within") {
		t.Fatalf("reading %+v, error %v", reading, err)
	}
}

func reportsAbsence(t *testing.T, setup Setup) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, err := setup(t, server.URL).measure(t.Context())
	if err == nil || !strings.Contains(err.Error(), server.URL) || strings.Contains(err.Error(), "?") {
		t.Fatalf("the error is %v", err)
	}
}

func staysOnTheHost(t *testing.T, setup Setup) {
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		thief := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("asked for %s with the headers %v", r.URL, r.Header)
		})
		refused(t, setup(t, serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, thief+"/here", status) })), "redirect")
	}
}

// keepsSecrets lets the server say everything that it was told, in an answer and in an error.
func keepsSecrets(t *testing.T, setup Setup) {
	for _, status := range []int{http.StatusOK, http.StatusForbidden} {
		var told string
		w := setup(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			said := fmt.Sprint(r.Header, r.URL)
			told += said
			w.WriteHeader(status)
			fmt.Fprint(w, said)
		}))
		reading, err := w.measure(t.Context())
		shown, problem := json.Marshal(reading)
		if problem != nil {
			t.Fatal(problem)
		}
		for _, secret := range w.Secrets {
			if !strings.Contains(told, secret) {
				t.Errorf("the server was not told a secret, so this test could not fail: %s", secret)
			}
			if text := fmt.Sprint(string(shown), err); strings.Contains(text, secret) {
				t.Errorf("a secret came back: %s", text)
			}
		}
	}
}
