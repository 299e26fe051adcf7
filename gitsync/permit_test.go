package gitsync

import (
	"strings"
	"testing"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func TestNoSpellingOfAURLEscapesADenial(t *testing.T) {
	denied := map[string][]string{
		"!https://git.example.com/org/secret": {
			"https://git.example.com/org/secret", "https://git.example.com/org/secret/", "https://git.example.com/org/secret.git/",
			"https://git.example.com/org/secret/.git", "https://x@git.example.com/org/secret", "https://x:y@git.example.com/org/secret",
			"https://git.example.com:443/org/secret", "https://git.example.com./org/secret", "https://git.example.com/org/%73ecret",
			"https://git.example.com/org%2Fsecret", "https://git.example.com/org/%53ecret", " HTTPS://Git.Example.com/Org/Secret.git",
		},
		"!https://x@git.example.com:443/org/*": {"https://git.example.com/org/secret"},
		"!git@git.example.com:org/secret.git": {
			"ssh://git@git.example.com/org/secret", "ssh://git.example.com:22/org/secret/", "other@git.example.com:/org/secret",
		},
		"!http://127.0.0.1/org/secret":        {"http://127.0.0.1:80/org/secret"},
		"!registry.example.com/charts/hidden": {"oci://registry.example.com/charts/hidden", "registry.example.com:443/charts/hidden/"},
		"!oci://registry.example.com/**":      {"registry.example.com/charts/hidden"},
	}
	for pattern, urls := range denied {
		for _, u := range urls {
			if PermitsSource(gitopsv1.AppProjectSpec{SourceRepos: []string{"*", pattern}}, u) {
				t.Errorf("%s lets %s pass as %s", pattern, u, NormalURL(u))
			}
		}
	}
	for _, other := range []string{"https://git.example.com/org/secrets", "https://git.example.com:8443/org/secret", "ssh://git.example.com/org/secret"} {
		if !PermitsSource(gitopsv1.AppProjectSpec{SourceRepos: []string{"*", "!https://git.example.com/org/secret"}}, other) {
			t.Errorf("%s is another repository", other)
		}
	}
}

func TestAProjectWithADenialThatCannotBeReadIsRefusedAloud(t *testing.T) {
	broken := map[string]func(*gitopsv1.AppProjectSpec){
		"sourceRepos":  func(s *gitopsv1.AppProjectSpec) { s.SourceRepos = []string{"*", "!https://git.example.com/[org/**"} },
		"destinations": func(s *gitopsv1.AppProjectSpec) { s.Destinations[0].Namespace = "![a" },
		"clusterResourceBlacklist": func(s *gitopsv1.AppProjectSpec) {
			s.ClusterResourceBlacklist = []gitopsv1.ClusterResource{{Kind: "[Name"}}
		},
		"namespaceResourceBlacklist": func(s *gitopsv1.AppProjectSpec) {
			s.NamespaceResourceBlacklist = []gitopsv1.GroupKind{{Kind: "[Secret"}}
		},
	}
	for field, breakIt := range broken {
		t.Run(field, func(t *testing.T) {
			w := newWorld(automated)
			breakIt(&w.project.Spec)
			w.push("aaaa", config)
			w.settle(t)
			wantStory(t, w)
			if said := w.told(); !strings.Contains(said, "project default cannot be used: "+field+": the pattern ") {
				t.Errorf("it says %s", said)
			}
		})
	}
}
