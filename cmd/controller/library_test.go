package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/generate"
	"github.com/sluice-delivery/sluice/gitsync/scm"
)

func TestGeneratorsSeeOnlyWhatTheProjectOfTheSetPermits(t *testing.T) {
	scheme := kruntime.NewScheme()
	if err := gitopsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	shop := &gitopsv1.AppProject{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "shop"}}
	shop.Spec.SourceRepos, shop.Spec.SourceNamespaces = []string{"https://git.example.com/shop/*"}, []string{"team-shop"}
	l := library{projects: fake.NewClientBuilder().WithScheme(scheme).WithObjects(shop).Build(), namespace: "argocd"}
	const own, other = "https://git.example.com/shop/deployments.git", "https://git.example.com/bank/deployments.git"
	for name, test := range map[string]struct{ namespace, project, repository, want string }{
		"a repository of the project":          {"argocd", "shop", own, ""},
		"from a namespace of the project":      {"team-shop", "shop", own, ""},
		"a repository of somebody else":        {"argocd", "shop", other, "sourceRepos"},
		"from a namespace of somebody else":    {"team-bank", "shop", own, "sourceNamespaces"},
		"a project that does not exist":        {"argocd", "bank", other, "project bank does not exist"},
		"a project for each Application":       {"argocd", "{{project}}", other, ""},
		"made up in a namespace of its own":    {"team-bank", "{{project}}", own, "name one project"},
		"no project, which is the default one": {"argocd", "", own, "project default does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			set := &gitopsv1.ApplicationSet{ObjectMeta: metav1.ObjectMeta{Namespace: test.namespace, Name: "set"}}
			set.Spec.Template.Spec.Project = test.project
			_, err := l.project(t.Context(), set, test.repository)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one about %q", err, test.want)
			}
		})
	}
}

func TestGitAndServersAreAskedTogether(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `[]`) }))
	t.Cleanup(server.Close)
	scheme := kruntime.NewScheme()
	if err := gitopsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	objects := fake.NewClientBuilder().WithScheme(scheme).Build()
	l := library{providers: &scm.Asker{Reader: objects, Namespace: "argocd"}, namespace: "argocd"}
	set := &gitopsv1.ApplicationSet{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "set"}}
	provider := generate.Question{About: generate.AboutPullRequests, Generator: `{"pullRequest":{"gitea":{"owner":"o","repo":"r","api":"` + server.URL + `"}}}`}
	answers, err := l.Answer(t.Context(), set, []generate.Question{provider}, false)
	if _, answered := answers[provider]; err != nil || !answered {
		t.Errorf("%v, %v", answers, err)
	}
	set.Spec.Template.Spec.Project = "nowhere"
	l.projects = objects
	if answers, err = l.Answer(t.Context(), set, []generate.Question{provider, {About: generate.AboutTree, Repository: "https://git.example.com/r"}}, false); err == nil || len(answers) > 0 {
		t.Errorf("a repository of a project that does not exist: %v, %v", answers, err)
	}
}

// folder is a repository of one commit.
type folder string

// rarely is what the settings say of how often repositories are asked.
var rarely = &gitsync.Interval{Every: time.Hour}

func (folder) Resolve(_ context.Context, want gitsync.Want) (string, error) {
	if want.Poll != rarely {
		return "", errors.New("it is asked more often than the settings say")
	}
	return "c0ffee", nil
}

func (f folder) Fetch(context.Context, gitsync.Want, string) (gitsync.Checkout, error) {
	return gitsync.Checkout{Dir: string(f), Release: func() {}}, nil
}

func TestWhatGeneratorsReadOfGitIsBounded(t *testing.T) {
	scheme := kruntime.NewScheme()
	if err := gitopsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	all := &gitopsv1.AppProject{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "default"}}
	all.Spec.SourceRepos = []string{"*"}
	objects := fake.NewClientBuilder().WithScheme(scheme).WithObjects(all).Build()
	dir := t.TempDir()
	file := func(name string, size int64) generate.Question {
		if err := errors.Join(os.WriteFile(filepath.Join(dir, name), nil, 0o600), os.Truncate(filepath.Join(dir, name), size)); err != nil {
			t.Fatal(err)
		}
		return generate.Question{About: generate.AboutFile, Repository: "https://git.example.com/r", Revision: "c0ffee", Path: name}
	}
	l := library{
		repositories: folder(dir), providers: &scm.Asker{Reader: objects, Namespace: "argocd"}, projects: objects, namespace: "argocd",
		settings: func(context.Context) (gitsync.Settings, error) { return gitsync.Settings{Poll: rarely}, nil },
	}
	whole := file("whole.yaml", generate.MaxFile)
	var many []generate.Question
	for i := range maxRead/generate.MaxFile + 1 {
		many = append(many, file(fmt.Sprintf("%d.yaml", i), generate.MaxFile))
	}
	for name, test := range map[string]struct {
		questions []generate.Question
		want      string
	}{
		"as much as a file may have": {[]generate.Question{whole}, ""},
		"a byte more":                {[]generate.Question{file("more.yaml", generate.MaxFile+1)}, "reading the file more.yaml of https://git.example.com/r: it has more than 4194304 bytes"},
		"as much as all may have":    {many[1:], ""},
		"a file more":                {many, "more than 64 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			set := &gitopsv1.ApplicationSet{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "set"}}
			answers, err := l.Answer(t.Context(), set, test.questions, false)
			if test.want == "" && (err != nil || len(answers) != len(test.questions)) || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%d answers, error %v, want one about %q", len(answers), err, test.want)
			}
		})
	}
}
