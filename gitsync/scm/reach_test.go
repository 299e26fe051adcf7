package scm

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// asked are all ways in which a set names a server, with API in place of it.
var asked = map[string]struct {
	about     generate.About
	generator string
}{
	"repositories of GitHub": {generate.AboutRepositories, hubOrganization},
	"repositories of GitLab": {generate.AboutRepositories, strings.Replace(labGroup, "API/api/v4", "API", 1)},
	"repositories of Gitea":  {generate.AboutRepositories, teaOwner},
	"requests of GitHub":     {generate.AboutPullRequests, strings.Replace(hubRequests, "API/", "API", 1)},
	"requests of GitLab":     {generate.AboutPullRequests, labRequests},
	"requests of Gitea":      {generate.AboutPullRequests, teaRequests},
	"a plugin":               {generate.AboutPlugin, aPlugin},
}

func TestNoServerOfASetIsOneThatNobodyAsks(t *testing.T) {
	for name, c := range asked {
		for _, host := range []string{
			"169.254.169.254", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16",
			"0.0.0.0", "[::]", "224.0.0.1", "255.255.255.255",
		} {
			api := "http://" + host
			a := newAsker(tokenIn("argocd", "token"), pluginAt(api, nil))
			_, err := answerTo(t, a, setIn("argocd"), question(t, generate.Question{About: c.about}, strings.Replace(c.generator, "API", `"API"`, 1), api))
			if err == nil || !strings.Contains(err.Error(), "no address of a server") {
				t.Errorf("%s at %s: %v", name, host, err)
			}
		}
		for _, api := range []string{"file:///etc/passwd", "gopher://127.0.0.1", "http://", "//127.0.0.1", "http://eve:" + canary + "@127.0.0.1", "http://127.0.0.1/\r\nX-Other: y"} {
			a := newAsker(tokenIn("argocd", "token"), pluginAt(api, nil))
			text := strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(api)
			if _, err := answerTo(t, a, setIn("argocd"), question(t, generate.Question{About: c.about}, strings.Replace(c.generator, "API", `"API"`, 1), text)); err == nil {
				t.Errorf("%s at %q is asked", name, api)
			}
		}
	}
}

// TestNobodyIsLedOnByAServer answers with a redirect, at once and after one within the server.
func TestNobodyIsLedOnByAServer(t *testing.T) {
	for name, c := range asked {
		for _, location := range []string{"http://169.254.169.254/latest/meta-data", "http://[::ffff:a9fe:a9fe]/", "https://127.0.0.1:1/", "file:///etc/passwd", "//169.254.169.254/"} {
			for _, chain := range []bool{false, true} {
				api := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if chain && !strings.HasSuffix(r.URL.Path, "/again") {
						http.Redirect(w, r, r.URL.Path+"/again", http.StatusTemporaryRedirect)
						return
					}
					w.Header().Set("Location", location)
					w.WriteHeader(http.StatusTemporaryRedirect)
				})
				a := newAsker(tokenIn("argocd", "token"), pluginAt(api, nil))
				_, err := answerTo(t, a, setIn("argocd"), question(t, generate.Question{About: c.about}, c.generator, api))
				if err == nil || !strings.Contains(err.Error(), "redirect") && !strings.Contains(err.Error(), "no address of a server") {
					t.Errorf("%s to %s: %v", name, location, err)
				}
			}
		}
	}
}
