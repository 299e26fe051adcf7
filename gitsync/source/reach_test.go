package source

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// outOfReach are hosts that nobody is led to, in all spellings, and what is said of them.
var outOfReach = map[string]string{
	"169.254.169.254": nobody, "[::ffff:169.254.169.254]": nobody, "[::ffff:a9fe:a9fe]": nobody, "[64:ff9b::a9fe:a9fe]": nobody, "[fe80::1]": nobody, "[fd00:ec2::254]": nobody,
	"100.100.100.200": nobody, "168.63.129.16": nobody, "0.0.0.0": nobody, "[::]": nobody, "224.0.0.1": nobody,
	"2852039166": "is a number", "0xa9fea9fe": "is a number", "0251.0376.0251.0376": "is a number", "169.254.43518": "is a number", "127.1": "is a number",
	"169.254.169.254.": "is no name", "metadata.example.": "is no name",
}

// leading knows names that lead there.
func leading() *names {
	return &names{all: map[string][]string{"metadata.example": {"169.254.169.254"}, "mapped.example": {"::ffff:169.254.169.254"}, "six.example": {"fe80::1"}, "none.example": {"0.0.0.0"}}}
}

// TestNoURLOfAUserLeadsToWhereNobodyIsAsked tries every kind of URL with every spelling of an address.
func TestNoURLOfAUserLeadsToWhereNobodyIsAsked(t *testing.T) {
	// Clients of the controller itself look names up with the dialer that package dial tries with names.
	named := map[string]string{"metadata.example": nobody, "mapped.example": nobody, "six.example": nobody, "none.example": nobody}
	pushed, _ := pushable(t)
	commit := pushed.commit(t, "one")
	resolving := func(url string) func(*Repositories, string) error {
		return func(all *Repositories, host string) error {
			_, err := all.Resolve(context.Background(), fresh(strings.ReplaceAll(url, "HOST", host)))
			return err
		}
	}
	for name, c := range map[string]struct {
		git bool
		ask func(all *Repositories, host string) error
	}{
		"Git over https": {true, resolving("https://HOST/x.git")},
		"Git over http":  {true, resolving("http://HOST/x.git")},
		"Git over SSH":   {true, resolving("ssh://git@HOST/x.git")},
		"Git by itself":  {true, resolving("git://HOST/x.git")},
		"a fetch": {true, func(all *Repositories, host string) error {
			_, err := all.Fetch(context.Background(), want("https://"+host+"/x.git", "main"), commit)
			return err
		}},
		"a submodule": {true, func(all *Repositories, host string) error {
			want := permitting("https://git.example/x.git", "*")
			return all.fillSubmodule(context.Background(), want, &export{trees: map[string]string{}, dir: all.Dir}, submodule{path: "m", url: "https://" + host + "/x.git", commit: commit}, nest{left: new(5)})
		}},
		"a push": {true, func(all *Repositories, host string) error {
			url := "https://" + host + "/x.git"
			all.Keys = keysOf(gitopsv1.SecretTypeRepositoryWrite, map[string]string{"url": url, "password": canary})
			_, err := all.Revert(context.Background(), want(url, "main"), gitsync.Revert{Change: gitsync.Change{Source: gitopsv1.Source{RepoURL: url}, Commit: commit, Tracked: commit}, Branch: "b"}, nil)
			return err
		}},
		"a Helm repository": {false, func(all *Repositories, host string) error {
			w := fresh("https://" + host + "/charts")
			w.Source.Chart = "web"
			_, err := all.Resolve(context.Background(), w)
			return err
		}},
		"a registry": {false, resolving("oci://HOST/org/web")},
		"a server of a GitHub App": {false, func(all *Repositories, host string) error {
			all.Keys = newHub(t, pushed).as(t, map[string]string{"url": "https://git.example/x", keyAppBase: "https://" + host + "/api/v3"}).Keys
			_, err := all.Resolve(context.Background(), fresh("https://git.example/x"))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			hosts := outOfReach
			if c.git {
				hosts = maps.Clone(outOfReach)
				maps.Copy(hosts, named)
			}
			for host, reason := range hosts {
				all := repositories(t, "", canary)
				all.lookup, all.Schemes = leading().lookup, []string{"http", "git"}
				err := c.ask(all, host)
				if err == nil || !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), canary) {
					t.Errorf("%s: error %v, want %q", host, err, reason)
				}
			}
		})
	}
}

// TestNoServerLeadsOnToWhereNobodyIsAsked tries what a server itself may name: redirects, archives, and objects of LFS.
func TestNoServerLeadsOnToWhereNobodyIsAsked(t *testing.T) {
	for host, reason := range outOfReach {
		t.Run(host, func(t *testing.T) {
			away := "http://" + host + "/latest/meta-data"
			leading := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				switch {
				case strings.HasPrefix(q.URL.Path, "/charts/index.yaml"):
					fmt.Fprintf(w, "entries:\n  web:\n  - version: 1.0.0\n    urls: [%q]\n", away)
				case strings.HasPrefix(q.URL.Path, "/hop"):
					http.Redirect(w, q, away, http.StatusFound)
				default:
					http.Redirect(w, q, "/hop", http.StatusFound)
				}
			}))
			defer leading.Close()
			chart := func(path string) gitsync.Want {
				w := want(leading.URL+path, "1.0.0")
				w.Source.Chart = "web"
				return w
			}
			all := repositories(t, "", canary)
			if _, err := all.Resolve(t.Context(), chart("/moved")); err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("redirects: error %v, want %q", err, reason)
			}
			if _, err := all.Fetch(t.Context(), chart("/charts"), "1.0.0"); err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("an archive: error %v, want %q", err, reason)
			}
			url, commit := stocked(t, map[string]string{"a.yaml": pointerTo("x", 1)}, map[string]string{oidOf("x"): "x"}, "http://"+host)
			if _, err := asking(t, "enableLfs", url).Fetch(t.Context(), want(url, ""), commit); err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("an object of LFS: error %v, want %q", err, reason)
			}
		})
	}
}
