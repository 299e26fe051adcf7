package main

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
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
