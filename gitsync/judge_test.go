package gitsync

import (
	"fmt"
	"strings"
	"testing"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func TestAnApplicationIsAsHealthyAsTheWorstOfWhatItHolds(t *testing.T) {
	type health map[string]HealthStatus
	ignored := manifest("Deployment", "ignored", "ignore-healthcheck=true")
	child := func(name string) string {
		return "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: " + name + ", namespace: argocd}\n"
	}
	for name, c := range map[string]struct {
		manifests []string
		health    health
		gone      []string
		status    gitopsv1.HealthCode
		message   string
	}{
		"nothing at all is healthy":         {nil, nil, nil, gitopsv1.HealthHealthy, ""},
		"without a check it does not count": {[]string{manifest("ConfigMap", "a")}, nil, nil, gitopsv1.HealthHealthy, ""},
		"the worst counts": {
			[]string{manifest("Deployment", "a"), manifest("Deployment", "b"), manifest("Deployment", "c")}, health{"a": Suspended, "b": Progressing},
			nil, gitopsv1.HealthProgressing, "apps/Deployment:prod/b",
		},
		"Unknown is worse than Degraded": {
			[]string{manifest("Deployment", "a"), manifest("Deployment", "b")}, health{"a": Degraded, "b": Unknown}, nil, gitopsv1.HealthUnknown, "apps/Deployment:prod/b",
		},
		"three causes are named": {
			[]string{manifest("Deployment", "a"), manifest("Deployment", "b"), manifest("Deployment", "c"), manifest("Deployment", "d"), manifest("Deployment", "e")},
			health{"a": Degraded, "b": Degraded, "c": Degraded, "d": Degraded, "e": Degraded},
			nil, gitopsv1.HealthDegraded, "apps/Deployment:prod/a, apps/Deployment:prod/b, apps/Deployment:prod/c and 2 more",
		},
		"a hook does not count":        {[]string{manifest("Job", "a", "hook=Sync"), manifest("ConfigMap", "b")}, health{"a": Degraded}, nil, gitopsv1.HealthHealthy, ""},
		"what asks not to be does not": {[]string{ignored}, health{"ignored": Degraded}, nil, gitopsv1.HealthHealthy, ""},
		"what is missing does not, as long as anything lives": {
			[]string{manifest("Deployment", "a"), manifest("Deployment", "b")}, nil, []string{"b"}, gitopsv1.HealthHealthy, "",
		},
		"what is missing counts if nothing lives": {[]string{manifest("Deployment", "a")}, nil, []string{"a"}, gitopsv1.HealthMissing, "apps/Deployment:prod/a"},
		"a child that shows nothing does not":     {[]string{child("child")}, health{"child": Unknown}, nil, gitopsv1.HealthHealthy, ""},
		"a child that is degraded does":           {[]string{child("child")}, health{"child": Degraded}, nil, gitopsv1.HealthDegraded, "argoproj.io/Application:argocd/child"},
		"the Application itself does not":         {[]string{child("shop")}, health{"shop": Degraded}, nil, gitopsv1.HealthHealthy, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld("")
			w.push("aaaa", docs(c.manifests...))
			w.sync(gitopsv1.SyncOperation{})
			w.settle(t)
			for k := range w.objects {
				if status, set := c.health[k.Name]; set {
					w.health[k] = Health{Status: status}
				}
				for _, gone := range c.gone {
					if k.Name == gone {
						delete(w.objects, k)
					}
				}
			}
			w.settle(t)
			if got := w.app.Status.Health; got.Status != c.status || got.Message != c.message {
				t.Errorf("it is %s: %q", got.Status, got.Message)
			}
		})
	}
}

func TestWhatIsWrongWithASpecIsToldInTheOrderOfTheContract(t *testing.T) {
	const elsewhere = "https://elsewhere.example.com/org/repo.git"
	w := newWorld(automated)
	w.push("aaaa", config)
	w.project.Spec.SourceRepos = []string{"https://git.example.com/**"}
	cluster := Cluster{Problem: "there is no cluster of that name"}
	spec := &w.app.Spec
	spec.Source = &gitopsv1.Source{}
	for _, step := range []struct {
		says string
		mend func()
	}{
		{"spec.source.repoURL and either spec.source.path or spec.source.chart are required", func() { spec.Source.RepoURL = elsewhere }},
		{"spec.source.repoURL and either spec.source.path or spec.source.chart are required", func() { spec.Source.Ref = "values" }},
		{"spec.source.repoURL and either spec.source.path or spec.source.chart are required", func() { spec.Source.Ref, spec.Source.Chart = "", "shop" }},
		{"spec.source.targetRevision is required if the manifest source is a helm chart", func() { spec.Source.TargetRevision = "1.0.0" }},
		{"application repo " + elsewhere + " is not permitted in project 'default'", func() { spec.Source.RepoURL = "https://git.example.com/org/repo.git" }},
		{"application destination spec for shop is invalid: there is no cluster of that name", func() { cluster = Cluster{Server: "https://far", Name: "far"} }},
		{"", func() { w.project.Spec.Destinations = []gitopsv1.ProjectDestination{{Name: "near", Namespace: "*"}} }},
		{"application destination server 'https://far' and namespace 'prod' do not match any of the allowed destinations in project 'default'", func() {}},
	} {
		o := w.observation()
		o.Cluster = cluster
		s := Decide(o).App.Status
		var said []string
		for _, c := range s.Conditions {
			said = append(said, fmt.Sprint(c.Type, ": ", c.Message))
		}
		want := "InvalidSpecError: " + step.says
		if step.says == "" {
			want = ""
		}
		if got := strings.Join(said, "\n"); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
		if want != "" && (s.Sync.Status != gitopsv1.SyncUnknown || s.Health.Status != gitopsv1.HealthUnknown || s.OperationState != nil) {
			t.Errorf("it is %s and %s at %q", s.Sync.Status, s.Health.Status, want)
		}
		step.mend()
	}
}

func TestOnlyAPlaceInTheRepositoryMakesASourceComplete(t *testing.T) {
	w := newWorld("")
	w.push("aaaa", config)
	w.app.Spec.Source = nil
	w.app.Spec.Sources = []gitopsv1.Source{{RepoURL: "https://git.example.com/org/repo.git", Ref: "values"}}
	if c := Decide(w.observation()).App.Status.Conditions; len(c) > 0 {
		t.Errorf("a source that only lends its files is refused: %+v", c)
	}
	w.app.Spec.Destination.Name = "in-cluster"
	if c := Decide(w.observation()).App.Status.Conditions; len(c) != 1 || !strings.Contains(c[0].Message, "can't have both name and server") {
		t.Errorf("conditions %+v", c)
	}
}
