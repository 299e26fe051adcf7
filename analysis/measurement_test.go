package analysis_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestJudge(t *testing.T) {
	inFlight := &v1alpha1.Measurement{Phase: running, StartedAt: after(-time.Minute), ResumeAt: after(0), Metadata: map[string]string{"job": "j"}}
	early := inFlight.DeepCopy()
	early.ResumeAt = after(time.Hour)
	for name, c := range map[string]struct {
		attempt analysis.Attempt
		want    v1alpha1.Measurement
	}{
		"the conditions judge a reading": {
			attempt: analysis.Attempt{Metric: conditions("result < 1", ""), Reading: analysis.Reading{Result: 2.0, Value: "2", Metadata: map[string]string{"k": "v"}}},
			want:    v1alpha1.Measurement{Phase: failed, Value: "2", Metadata: map[string]string{"k": "v"}, StartedAt: after(0), FinishedAt: after(time.Second)},
		},
		"a condition that cannot be evaluated is an error": {
			attempt: analysis.Attempt{Metric: conditions("result", ""), Reading: analysis.Reading{Result: 2.0, Value: "2"}},
			want: v1alpha1.Measurement{Phase: errored, Value: "2", StartedAt: after(0), FinishedAt: after(time.Second),
				Message: `could not evaluate successCondition "result": expected bool, but got float64`},
		},
		"the reason of a long condition is not cut off": {
			attempt: analysis.Attempt{Metric: conditions(strings.Repeat("x", 9000), ""), Reading: analysis.Reading{Result: 2.0, Value: "2"}},
			want: v1alpha1.Measurement{Phase: errored, Value: "2", StartedAt: after(0), FinishedAt: after(time.Second),
				Message: `could not evaluate successCondition "` + strings.Repeat("x", 300) + `... (9000 bytes in all)": the expression has 9000 bytes, at most 8192 are allowed`},
		},
		"an error of a condition that holds a secret quotes nothing of it": {
			attempt: analysis.Attempt{Metric: conditions(`result > 1 "hidden" x`, ""), Reading: analysis.Reading{Result: 2.0}, Secrets: map[string]string{"s": `1 "hidden" x`}},
			want: v1alpha1.Measurement{Phase: errored, StartedAt: after(0), FinishedAt: after(time.Second),
				Message: "could not evaluate a condition that holds a secret; what is wrong with it is not shown, for that repeats parts of it"},
		},
		"a provider that failed is an error": {
			attempt: analysis.Attempt{Err: errors.New("away"), Reading: analysis.Reading{Result: 1.0, Phase: successful}},
			want:    v1alpha1.Measurement{Phase: errored, Message: "away", StartedAt: after(0), FinishedAt: after(time.Second)},
		},
		"a provider may judge by itself": {
			attempt: analysis.Attempt{Metric: conditions("false", ""), Reading: analysis.Reading{Phase: successful, Message: "fine"}},
			want:    v1alpha1.Measurement{Phase: successful, Message: "fine", StartedAt: after(0), FinishedAt: after(time.Second)},
		},
		"a measurement begins and is looked at later": {
			attempt: analysis.Attempt{Reading: analysis.Reading{Phase: running, ResumeAfter: 5 * time.Second}},
			want:    v1alpha1.Measurement{Phase: running, StartedAt: after(0), ResumeAt: after(6 * time.Second)},
		},
		"a measurement in flight keeps its beginning and metadata": {
			attempt: analysis.Attempt{Previous: inFlight, Reading: analysis.Reading{Phase: running, ResumeAfter: 5 * time.Second, Message: "so far"}},
			want:    v1alpha1.Measurement{Phase: running, Message: "so far", StartedAt: after(-time.Minute), ResumeAt: after(6 * time.Second), Metadata: map[string]string{"job": "j"}},
		},
		"a look before its time does not put the next one off": {
			attempt: analysis.Attempt{Previous: early, Reading: analysis.Reading{Phase: running, ResumeAfter: 5 * time.Second}},
			want:    *early,
		},
		"a measurement in flight ends": {
			attempt: analysis.Attempt{Previous: inFlight, Reading: analysis.Reading{Phase: successful}},
			want:    v1alpha1.Measurement{Phase: successful, StartedAt: after(-time.Minute), FinishedAt: after(time.Second), Metadata: map[string]string{"job": "j"}},
		},
		"what is long is cut between two letters": {
			attempt: analysis.Attempt{Err: errors.New(strings.Repeat("ä", 1000)), Reading: analysis.Reading{Value: strings.Repeat("€", 1000), Metadata: map[string]string{"k": strings.Repeat("€", 1000)}}},
			want: v1alpha1.Measurement{Phase: errored, Message: strings.Repeat("ä", 512) + "... (2000 bytes in all)", Value: strings.Repeat("€", 682) + "... (3000 bytes in all)",
				Metadata: map[string]string{"k": strings.Repeat("€", 170) + "... (3000 bytes in all)"}, StartedAt: after(0), FinishedAt: after(time.Second)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.attempt.Started, c.attempt.Finished = noon, noon.Add(time.Second)
			previous := c.attempt.Previous.DeepCopy()
			if diff := cmp.Diff(c.want, analysis.Judge(c.attempt)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(previous, c.attempt.Previous); diff != "" {
				t.Errorf("what was in flight was changed:\n%s", diff)
			}
		})
	}
}

func TestStopped(t *testing.T) {
	got := analysis.Stopped(v1alpha1.Measurement{Phase: running, StartedAt: after(0), ResumeAt: after(time.Hour), Metadata: map[string]string{"job": "j"}}, noon.Add(time.Second))
	want := v1alpha1.Measurement{Phase: unclear, Message: "Metric Terminated", StartedAt: after(0), FinishedAt: after(time.Second), Metadata: map[string]string{"job": "j"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The secret is one that every way of writing changes.
func TestASecretIsTakenOutInEachForm(t *testing.T) {
	const secret = "Kanarie-\"<&>\\ /?ä+\x7f\tvogel"
	written := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, text := range map[string]string{
		"as it is":                     "token: " + secret + ".",
		"twice":                        secret + secret,
		"in JSON":                      written(map[string]string{"a": secret}),
		"as a text in JSON":            written(secret),
		"quoted":                       fmt.Sprintf("parsing %q", secret),
		"as a key":                     written(map[string]int{secret: 1}),
		"in a URL":                     (&url.URL{Scheme: "http", Host: "h", Path: "/" + secret, RawQuery: url.Values{"q": {secret}}.Encode()}).String(),
		"in a part of a path":          "/a/" + url.PathEscape(secret) + "/b",
		"in the error of a request":    (&url.Error{Op: "Get", URL: (&url.URL{Path: secret}).String(), Err: errors.New("away")}).Error(),
		"in base64":                    base64.StdEncoding.EncodeToString([]byte(secret)),
		"in base64 for URLs":           base64.URLEncoding.EncodeToString([]byte(secret)),
		"in base64 with a line break":  base64.StdEncoding.EncodeToString([]byte(secret + "\n")),
		"with a user of one letter":    base64.StdEncoding.EncodeToString([]byte("u:" + secret)),
		"with a user of two letters":   base64.StdEncoding.EncodeToString([]byte("me:" + secret)),
		"with a user of three letters": base64.StdEncoding.EncodeToString([]byte("you:" + secret)),
		"before something else":        base64.StdEncoding.EncodeToString([]byte(secret + ":password")),
	} {
		t.Run(name, func(t *testing.T) {
			for _, given := range []string{secret, secret + "\n"} { // kubectl makes a Secret of a file with its last line break
				got := analysis.Redact(text, map[string]string{"s": given})
				for _, part := range []string{"Kanarie", "vogel", base64.StdEncoding.EncodeToString([]byte("Kanarie-\"<&>"))[:12]} {
					if strings.Contains(got, part) {
						t.Errorf("%s is left in %s", part, got)
					}
				}
				if !strings.Contains(got, "***") {
					t.Errorf("nothing was found in %s", got)
				}
			}
		})
	}
}

func TestRedactLeavesOtherTextAlone(t *testing.T) {
	for name, c := range map[string]struct {
		secrets map[string]string
		want    string
	}{
		"no secret":                       {nil, "all of this is long enough"},
		"an empty secret":                 {map[string]string{"s": ""}, "all of this is long enough"},
		"a secret of blanks is a secret":  {map[string]string{"s": "  "}, "all of this is long enough"},
		"a secret that is part of a word": {map[string]string{"s": "is"}, "all of th*** *** long enough"},
		"the longer one of two":           {map[string]string{"s": "long", "t": "long enough"}, "all of this is ***"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := analysis.Redact("all of this is long enough", c.secrets); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestNoPartOfAMeasurementHoldsASecret(t *testing.T) {
	const canary = "canary-5d1f"
	secrets := map[string]string{"s": canary}
	for name, a := range map[string]analysis.Attempt{
		"a reading":           {Metric: conditions("true", ""), Reading: analysis.Reading{Result: 1.0, Value: canary, Metadata: map[string]string{canary: canary}}},
		"an error":            {Err: fmt.Errorf("asking http://%s: no", canary)},
		"a condition":         {Metric: conditions("result == '"+canary, ""), Reading: analysis.Reading{Result: 1.0}},
		"a verdict":           {Reading: analysis.Reading{Phase: failed, Message: canary}},
		"a doubt":             {Metric: conditions("true", ""), Reading: analysis.Reading{Result: 1.0, Doubt: canary}},
		"a value that is cut": {Metric: conditions("true", ""), Reading: analysis.Reading{Result: 1.0, Value: strings.Repeat("x", 2040) + canary + canary}},
	} {
		t.Run(name, func(t *testing.T) {
			a.Secrets = secrets
			text, err := json.Marshal(analysis.Judge(a))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "canary") {
				t.Error(string(text))
			}
		})
	}
}
