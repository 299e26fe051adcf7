package scm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// serve is a stand-in that is a function.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// pages writes repositories of an organization, which has so many, so many on a page. It tells of the next page if it is linked.
func pages(count, size int, linked bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		last := min(page*size, count)
		if linked && last < count {
			w.Header().Set("Link", `<`+r.URL.String()+`>; rel="next", <x>; rel="last"`)
		}
		list := []map[string]any{}
		for i := (page - 1) * size; i < last; i++ {
			list = append(list, map[string]any{"id": i, "name": fmt.Sprint("r", i), "owner": map[string]any{"login": "shop"}, "default_branch": "main"})
		}
		if err := json.NewEncoder(w).Encode(list); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func listOf(t *testing.T, handler http.HandlerFunc) (generate.Answer, error) {
	t.Helper()
	q := question(t, generate.Question{About: generate.AboutRepositories}, hubOrganization, serve(t, handler))
	return answerTo(t, newAsker(tokenIn("argocd", "token")), setIn("argocd"), q)
}

func TestAListIsReadToItsEnd(t *testing.T) {
	for _, c := range []struct {
		name        string
		count, size int
		linked      bool
	}{
		{"pages that name the next one", 250, 100, true},
		{"pages of a server that gives fewer than it is asked for", 25, 10, true},
		{"full pages behind a proxy that drops the links", 250, 100, false},
		{"a last page that is just full", 200, 100, false},
		{"nothing", 0, 100, true},
		{"as many as may be", maxItems, 100, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := listOf(t, pages(c.count, c.size, c.linked))
			if err != nil || len(got.Repositories) != c.count {
				t.Errorf("%d of %d repositories, %v", len(got.Repositories), c.count, err)
			}
		})
	}
}

func TestAListThatIsNotWholeIsAnErrorAndNoList(t *testing.T) {
	text := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); fmt.Fprint(w, body) }
	}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"the second page fails", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page") == "2" {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			pages(250, 100, true)(w, r)
		}, "502 Bad Gateway"},
		{"the connection ends in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `[{"id": 1, "name": "a", "owner": {"login": "shop"}},`)
		}, "reading the list"},
		{"null", text(200, `null`), "the answer is no list"},
		{"an object", text(200, `{"message": "maintenance"}`), "the answer is no list"},
		{"a page of HTML", text(200, `<html>please log in</html>`), "the answer is no list"},
		{"nothing at all", text(200, ``), "the answer is no list"},
		{"an item without a name", text(200, `[{"id": 7, "owner": {"login": "shop"}}]`), "repository 7 has no name"},
		{"an item that is null", text(200, `[null]`), "repository 0 has no name"},
		{"an item of another type", text(200, `[{"id": "seven"}]`), "reading the list"},
		{"a list that does not close", text(200, `[`), "reading the list"},
		{"items nested too deep", text(200, `[{"x":`+strings.Repeat(`[`, 100_000)), "reading the list"},
		{"a token that is wrong", text(401, `{"message": "Bad credentials"}`), "with key token of Secret argocd/token: the server answered 401 Unauthorized"},
		{"an organization that is none", text(404, `{"message": "Not Found"}`), "/api/v3/orgs/shop/repos"},
		{"an answer that is too large", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `["`)
			for chunk := strings.Repeat("x", 1<<20); ; {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		}, "larger than 32 MiB"},
		{"100,000 repositories", pages(100_000, 100, true), "more than 20000 items"},
		{"pages without an end", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", `<x>; rel="next"`)
			fmt.Fprint(w, `[]`)
		}, "more than 1000 pages"},
		{"a redirect to itself without an end", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) }, "more than 5 redirects"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := listOf(t, c.handler)
			if err == nil || !strings.Contains(err.Error(), c.want) || len(got.Repositories) > 0 {
				t.Errorf("%d repositories, error %v, want one about %q", len(got.Repositories), err, c.want)
			}
		})
	}
}

func TestWhatIsBrokenInOtherAnswersIsAnError(t *testing.T) {
	branch := generate.Question{About: generate.AboutBranches, Repository: "shop/web", Revision: "main"}
	all := generate.Question{About: generate.AboutBranches, Repository: "shop/web"}
	path := generate.Question{About: generate.AboutPath, Repository: "shop/web", Revision: "main", Path: "deploy"}
	requests := generate.Question{About: generate.AboutPullRequests}
	for _, c := range []struct {
		name, generator string
		q               generate.Question
		code            int
		body            string
	}{
		{"a branch without a commit", hubOrganization, branch, 200, `{"name": "main", "commit": null}`},
		{"a branch that is null", labGroup, branch, 200, `null`},
		{"branches without a name", teaOwner, all, 200, `[{"commit": {"id": "c0ffee"}}]`},
		{"a path whose existence cannot be told", hubOrganization, path, 500, ``},
		{"a path that may not be seen", labGroup, path, 403, ``},
		{"a pull request without a commit", hubRequests, requests, 200, `[{"number": 1, "head": {"ref": "x"}}]`},
		{"a merge request whose commit is null", labRequests, requests, 200, `[{"iid": 1, "sha": null}]`},
		{"pull requests that may not be seen", teaRequests, requests, 403, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			api := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.code); fmt.Fprint(w, c.body) })
			if got, err := answerTo(t, newAsker(tokenIn("argocd", "token")), setIn("argocd"), question(t, c.q, c.generator, api)); err == nil {
				t.Errorf("it is answered: %+v", got)
			}
		})
	}
}

func TestAServerThatAsksToBeLeftAloneIsLeftAlone(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   int
		header map[string]string
		wait   time.Duration
	}{
		{"for seconds", 429, map[string]string{"Retry-After": "90"}, 90 * time.Second},
		{"until a moment of HTTP", 429, map[string]string{"Retry-After": "Mon, 02 Mar 2026 12:02:00 GMT"}, 2 * time.Minute},
		{"until the hour of GitHub is over", 403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": strconv.FormatInt(noon.Add(20*time.Minute).Unix(), 10)}, 20 * time.Minute},
		{"by the second limit of GitHub", 403, map[string]string{"Retry-After": "60", "X-RateLimit-Remaining": "4000"}, time.Minute},
		{"until the minute of GitLab is over", 429, map[string]string{"RateLimit-Remaining": "0", "RateLimit-Reset": strconv.FormatInt(noon.Add(40*time.Second).Unix(), 10)}, 40 * time.Second},
		{"without a word on how long", 429, nil, time.Minute},
		{"for ever", 429, map[string]string{"X-RateLimit-Reset": "253402300799"}, time.Hour},
		{"for a negative time", 429, map[string]string{"Retry-After": "-5"}, time.Second},
		{"for a time that is past", 429, map[string]string{"X-RateLimit-Reset": "1"}, time.Second},
		{"for nonsense", 429, map[string]string{"Retry-After": "soon", "X-RateLimit-Reset": "NaN"}, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			there := newStandIn(t, map[string]reply{hubRepositoryPage: {code: c.code, header: c.header, body: canary}})
			a := newAsker(tokenIn("argocd", "token"))
			now := noon
			a.Now = func() time.Time { return now }
			q := question(t, generate.Question{About: generate.AboutRepositories}, hubOrganization, there.URL)
			want := "no more questions until " + noon.Add(c.wait).Format(time.RFC3339)
			for _, passed := range []time.Duration{0, c.wait - time.Millisecond} {
				now = noon.Add(passed)
				if _, err := answerTo(t, a, setIn("argocd"), q); err == nil || !strings.HasSuffix(err.Error(), want) {
					t.Fatalf("after %s: %v, want %s", passed, err, want)
				}
			}
			if asked := len(there.asked()); asked != 1 {
				t.Errorf("it is asked %d times meanwhile", asked)
			}
			now = noon.Add(c.wait)
			if _, err := answerTo(t, a, setIn("argocd"), q); err == nil || len(there.asked()) != 2 {
				t.Errorf("asked %d times, %v", len(there.asked()), err)
			}
		})
	}
}

func TestARefusalIsNoLimit(t *testing.T) {
	there := newStandIn(t, map[string]reply{hubRepositoryPage: {code: 403, header: map[string]string{"X-RateLimit-Remaining": "4999"}, body: `{"message": "Resource not accessible by personal access token"}`}})
	a := newAsker(tokenIn("argocd", "token"))
	for range 2 {
		_, err := answerTo(t, a, setIn("argocd"), question(t, generate.Question{About: generate.AboutRepositories}, hubOrganization, there.URL))
		if err == nil || !strings.Contains(err.Error(), "not accessible") {
			t.Error(err)
		}
	}
	if asked := len(there.asked()); asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

func TestALimitOfOneAccountIsNoLimitOfAnother(t *testing.T) {
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		fmt.Fprint(w, `[]`)
	})
	a := newAsker(tokenIn("argocd", "token"))
	_, err := answerTo(t, a, setIn("argocd"), question(t, generate.Question{About: generate.AboutRepositories}, `{scmProvider: {github: {organization: shop, api: API}}}`, api))
	if err == nil || !strings.Contains(err.Error(), "tokenRef") {
		t.Errorf("without a token: %v", err)
	}
	if _, err = answerTo(t, a, setIn("argocd"), question(t, generate.Question{About: generate.AboutRepositories}, hubOrganization, api)); err != nil {
		t.Errorf("with one: %v", err)
	}
}

func TestWhatWasAnsweredBeforeALimitIsNotLost(t *testing.T) {
	var asked atomic.Int32
	api := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 10 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		fmt.Fprint(w, `{"name": "main", "commit": {"sha": "c0ffee"}}`)
	})
	var questions []generate.Question
	for i := range 50 {
		questions = append(questions, question(t, generate.Question{About: generate.AboutBranches, Repository: fmt.Sprint("shop/r", i), Revision: "main"}, hubOrganization, api))
	}
	answers, err := newAsker(tokenIn("argocd", "token")).Answer(t.Context(), setIn("argocd"), questions)
	// Of those that are asked at once, some may learn of the end of the others before they have read their own answer.
	if err == nil || len(answers) > 10 || len(answers) <= 10-atOnce || asked.Load() > 10+atOnce {
		t.Errorf("%d answers to %d requests, %v", len(answers), asked.Load(), err)
	}
}

func TestNobodyWaitsForAServerThatHangs(t *testing.T) {
	asked := make(chan struct{})
	api := serve(t, func(_ http.ResponseWriter, r *http.Request) { close(asked); <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := newAsker(tokenIn("argocd", "token")).Answer(ctx, setIn("argocd"), []generate.Question{question(t, generate.Question{About: generate.AboutRepositories}, hubOrganization, api)})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAMetadataServiceIsNotAsked(t *testing.T) {
	for _, api := range []string{"http://169.254.169.254", "http://[::ffff:169.254.169.254]", "http://[fd00:ec2::254]", "http://0.0.0.0"} {
		q := question(t, generate.Question{About: generate.AboutRepositories}, strings.Replace(hubOrganization, "API", `"API"`, 1), api)
		if _, err := answerTo(t, newAsker(tokenIn("argocd", "token")), setIn("argocd"), q); err == nil || !strings.Contains(err.Error(), "no address of a server") {
			t.Errorf("%s: %v", api, err)
		}
	}
}

func TestATokenFollowsNoRedirectToAnotherServer(t *testing.T) {
	other := newStandIn(t, nil)
	there := newStandIn(t, map[string]reply{hubRepositoryPage: {code: 302, header: map[string]string{"Location": other.URL + "/" + canary}}})
	_, err := answerTo(t, newAsker(tokenIn("argocd", "token")), setIn("argocd"), question(t, generate.Question{About: generate.AboutRepositories}, hubOrganization, there.URL))
	if err == nil || !strings.Contains(err.Error(), "refusing the redirect") || len(other.asked()) > 0 {
		t.Errorf("%v, the other server got %q", err, other.asked())
	}
}

func TestARepositoryThatWasRenamedIsFollowed(t *testing.T) {
	there := newStandIn(t, map[string]reply{
		"GET /api/v3/repos/shop/web/branches/main": {code: 301, header: map[string]string{"Location": "/api/v3/repositories/7/branches/main"}},
		"GET /api/v3/repositories/7/branches/main": {body: `{"name": "main", "commit": {"sha": "c0ffee"}}`},
	})
	q := question(t, generate.Question{About: generate.AboutBranches, Repository: "shop/web", Revision: "main"}, hubOrganization, there.URL)
	got, err := answerTo(t, newAsker(tokenIn("argocd", "token")), setIn("argocd"), q)
	if diff := cmp.Diff(generate.Answer{Branches: []generate.Branch{{Name: "main", SHA: "c0ffee"}}}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestATokenThatIsToldBackIsMasked(t *testing.T) {
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%v %q", r.Header, r.Header)
	})
	for _, generator := range []string{hubOrganization, labGroup, teaOwner} {
		_, err := answerTo(t, newAsker(tokenIn("argocd", "token")), setIn("argocd"), question(t, generate.Question{About: generate.AboutRepositories}, generator, api))
		if err == nil || !strings.Contains(err.Error(), "***") {
			t.Error(err)
		}
	}
}
