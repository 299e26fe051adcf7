package source

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestQuestionsToARepositoryAreCounted(t *testing.T) {
	r := serve(t)
	commit := r.commit(t, "one")
	all := repositories(t, r.url, canary)
	registry := prometheus.NewRegistry()
	if err := all.Measure(registry); err != nil {
		t.Fatal(err)
	}
	if _, err := all.Resolve(t.Context(), want(r.url, "main")); err != nil {
		t.Fatal(err)
	}
	files, err := all.Fetch(t.Context(), want(r.url, ""), commit)
	if err != nil {
		t.Fatal(err)
	}
	files.Release()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, family := range families {
		for _, one := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range one.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["repo"] != r.url {
				t.Errorf("the repository is called %q", labels["repo"])
			}
			got[family.GetName()+" "+labels["request_type"]] = uint64(one.GetCounter().GetValue()) + one.GetHistogram().GetSampleCount()
		}
	}
	if diff := cmp.Diff(map[string]uint64{
		"argocd_git_request_total ls-remote": 1, "argocd_git_request_total fetch": 1,
		"argocd_git_request_duration_seconds ls-remote": 1, "argocd_git_request_duration_seconds fetch": 1,
	}, got); diff != "" {
		t.Error(diff)
	}
}
