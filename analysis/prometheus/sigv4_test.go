package prometheus

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluice-delivery/sluice/analysis/sigv4"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func signedMetric(address string) v1alpha1.Metric {
	return v1alpha1.Metric{Name: "errors", Provider: v1alpha1.MetricProvider{Prometheus: &v1alpha1.PrometheusMetric{
		Address: address, Query: "up", Authentication: v1alpha1.Authentication{Sigv4: &v1alpha1.Sigv4Config{Region: "eu-west-1"}},
	}}}
}

func signing(variables map[string]string) *Provider {
	return &Provider{Signer: &sigv4.Signer{Getenv: func(name string) string { return variables[name] }}}
}

func TestARequestIsSignedForAmazonsPrometheus(t *testing.T) {
	keys := map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-key-012345", "AWS_SESSION_TOKEN": "session-token-0123"}
	told := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told = r.Header.Get("Authorization") + r.Header.Get("X-Amz-Security-Token")
		if r.FormValue("query") != "up" {
			t.Errorf("asked %v", r.Form)
		}
		fmt.Fprintf(w, `{"status":"success","warnings":[%q],"data":{"resultType":"scalar","result":[1,"2"]}}`, told)
	}))
	defer server.Close()
	got, err := signing(keys).Measure(t.Context(), nil, signedMetric(server.URL), nil)
	if err != nil || got.Result != 2.0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if !strings.Contains(told, "Credential=AKIDEXAMPLE/") || !strings.Contains(told, "/eu-west-1/aps/aws4_request") || !strings.HasSuffix(told, "session-token-0123") {
		t.Errorf("signed by %q", told)
	}
	if text := got.Doubt + got.Metadata["warnings"]; strings.Contains(text, "session-token") || !strings.Contains(text, "***") {
		t.Errorf("the token came back: %s", text)
	}
}

func TestWhatIsMissingForASignatureIsTold(t *testing.T) {
	_, err := signing(map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}).Measure(t.Context(), nil, signedMetric("http://127.0.0.1:0"), nil)
	if err == nil || !strings.Contains(err.Error(), "finding the AWS credentials") {
		t.Errorf("the error is %v", err)
	}
}

func TestARefusalDoesNotRepeatTheToken(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, r.Header)
	}))
	defer server.Close()
	keys := map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-key-012345", "AWS_SESSION_TOKEN": "session-token-0123"}
	_, err := signing(keys).Measure(t.Context(), nil, signedMetric(server.URL), nil)
	if err == nil || strings.Contains(err.Error(), "session-token") || !strings.Contains(err.Error(), "403") {
		t.Errorf("the error is %v", err)
	}
}
