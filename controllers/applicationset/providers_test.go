package applicationset

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
	"github.com/sluice-delivery/sluice/gitsync/scm"
)

const canary = "canary-0dd5ea51c0ffee"

// asker is what the command makes of an Asker.
type asker struct{ *scm.Asker }

func (a asker) Answer(ctx context.Context, set *gitopsv1.ApplicationSet, questions []generate.Question, _ bool) (map[generate.Question]generate.Answer, error) {
	return a.Asker.Answer(ctx, set, questions)
}

// provider is a server that answers well, or badly, and counts.
type provider struct {
	*httptest.Server
	good  string
	bad   atomic.Pointer[http.HandlerFunc]
	asked atomic.Int32
}

func newProvider(t *testing.T, good string) *provider {
	t.Helper()
	p := &provider{good: good}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked.Add(1)
	if bad := p.bad.Load(); bad != nil {
		(*bad)(w, r)
		return
	}
	p.answer(w, r)
}

func (p *provider) answer(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/branches/") {
		fmt.Fprint(w, `{"name": "main", "commit": {"id": "c0ffee00"}}`)
		return
	}
	if strings.HasSuffix(r.URL.Path, "/labels") {
		fmt.Fprint(w, `[]`)
		return
	}
	fmt.Fprint(w, p.good)
}

const (
	repositories = `[{"id": 1, "name": "one", "owner": {"login": "o"}, "default_branch": "main"}, {"id": 2, "name": "two", "owner": {"login": "o"}, "default_branch": "main"}]`
	projects     = `[{"id": 1, "path": "one", "namespace": {"full_path": "o"}, "default_branch": "main"}, {"id": 2, "path": "two", "namespace": {"full_path": "o"}, "default_branch": "main"}]`
	requests     = `[{"number": 1, "title": "one", "head": {"sha": "c0ffee00"}}, {"number": 2, "title": "two", "head": {"sha": "c0ffee00"}}]`
	merges       = `[{"iid": 1, "title": "one", "sha": "c0ffee00"}, {"iid": 2, "title": "two", "sha": "c0ffee00"}]`
	parameters   = `{"output": {"parameters": [{"name": "one"}, {"name": "two"}]}}`
)

// asking are the generators that ask servers, with what these answer, and the parameter that names Applications.
var asking = []struct{ name, generator, good, parameter string }{
	{"repositories of GitHub", `{scmProvider: {github: {organization: o, api: API, tokenRef: {secretName: s, key: token}}}}`, repositories, "{{.repository}}"},
	{"repositories of GitLab", `{scmProvider: {gitlab: {group: o, api: API, tokenRef: {secretName: s, key: token}}}}`, projects, "{{.repository}}"},
	{"repositories of Gitea", `{scmProvider: {gitea: {owner: o, api: API, tokenRef: {secretName: s, key: token}}}}`, repositories, "{{.repository}}"},
	{"pull requests of GitHub", `{pullRequest: {github: {owner: o, repo: r, api: API, tokenRef: {secretName: s, key: token}}}}`, requests, "{{.title}}"},
	{"pull requests of GitLab", `{pullRequest: {gitlab: {project: o/r, api: API, tokenRef: {secretName: s, key: token}}}}`, merges, "{{.title}}"},
	{"pull requests of Gitea", `{pullRequest: {gitea: {owner: o, repo: r, api: API, tokenRef: {secretName: s, key: token}}}}`, requests, "{{.title}}"},
	{"a plugin", `{plugin: {configMapRef: {name: p}}}`, parameters, "{{.name}}"},
	{"a matrix of both", `{matrix: {generators: [{list: {elements: [{team: a}]}}, {pullRequest: {gitea: {owner: o, repo: r, api: API, tokenRef: {secretName: s, key: token}}}}]}}`, requests, "{{.title}}"},
}

// trial is a stage whose library asks a provider, with a clock and everything that is told.
type trial struct {
	*stage
	there *provider
	now   time.Time
	told  strings.Builder
}

func newTrial(t *testing.T, generator, good, parameter string) *trial {
	t.Helper()
	there := newProvider(t, good)
	var g gitopsv1.Generator
	if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(generator, "API", there.URL)), &g); err != nil {
		t.Fatal(err)
	}
	set := aSet(g)
	set.Spec.Template.Metadata.Name, set.Spec.Template.Spec.Source.Path = parameter, "deploy"
	x := &trial{stage: newStage(t, set), there: there, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	x.clock = func() time.Time { return x.now }
	x.Library = asker{&scm.Asker{Reader: x.Client, Namespace: "argocd", Now: x.clock}}
	for _, o := range []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "s"}, Data: map[string][]byte{"token": []byte(canary)}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "p"}, Data: map[string]string{"token": "$s:token", "baseUrl": there.URL, "requestTimeout": "1"}},
	} {
		if err := x.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

// look makes a pass, and gathers all that anybody could read of it.
func (x *trial) look(ctx context.Context) ctrl.Result {
	x.t.Helper()
	ctx = logf.IntoContext(ctx, funcr.New(func(prefix, args string) { x.told.WriteString(prefix + args) }, funcr.Options{Verbosity: 10}))
	next, err := x.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "argocd", Name: "set"}})
	fmt.Fprintln(&x.told, err)
	for recorder := x.Events.(*record.FakeRecorder); len(recorder.Events) > 0; {
		x.told.WriteString(<-recorder.Events)
	}
	var apps gitopsv1.ApplicationList
	if err := x.Client.List(x.t.Context(), &apps); err != nil {
		x.t.Fatal(err)
	}
	text, err := json.Marshal([]any{x.set(), apps})
	if err != nil {
		x.t.Fatal(err)
	}
	x.told.Write(text)
	return next
}

// kept fails unless both Applications are there, untouched, and nothing tells the token.
func (x *trial) kept(when string) {
	x.t.Helper()
	var apps gitopsv1.ApplicationList
	if err := x.Client.List(x.t.Context(), &apps); err != nil {
		x.t.Fatal(err)
	}
	var names []string
	for _, app := range apps.Items {
		if app.DeletionTimestamp == nil {
			names = append(names, app.Name)
		}
	}
	if slices.Sort(names); !slices.Equal(names, []string{"one", "two"}) {
		x.t.Errorf("%s the Applications are %v; status %+v", when, names, x.set().Status.Conditions)
	}
	if strings.Contains(x.told.String(), canary) {
		x.t.Errorf("%s the token is told: %s", when, x.told.String())
	}
}

func (x *trial) problem() string {
	for _, c := range x.set().Status.Conditions {
		if c.Type == gitopsv1.ConditionErrorOccurred && c.Status == metav1.ConditionTrue {
			return c.Reason + ": " + c.Message
		}
	}
	return ""
}

func TestNoAnswerOfAServerTakesApplicationsAway(t *testing.T) {
	text := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(code)
			fmt.Fprintf(w, body, r.Header)
		}
	}
	lists := func(linked bool, items int) http.HandlerFunc {
		item := strings.Trim(strings.Split(repositories, "}, {")[0], "[]{}")
		page := `[` + strings.Repeat(`{`+item+`, "title": "x", "number": 1, "iid": 1, "sha": "s", "head": {"sha": "s"}, "path": "x", "namespace": {"full_path": "o"}},`, items)
		return func(w http.ResponseWriter, _ *http.Request) {
			if linked {
				w.Header().Set("Link", `<x>; rel="next"`)
			}
			fmt.Fprint(w, strings.TrimSuffix(page, ",")+`]`)
		}
	}
	troubles := []struct {
		name    string
		handler http.HandlerFunc
		// quiet are those that are no error but of a plugin.
		quiet bool
	}{
		{"it fails", text(500, "%v"), false},
		{"it knows nobody any more", text(401, "%v"), false},
		{"it shows nothing any more", text(404, "%v"), false},
		{"it forbids", text(403, "%v"), false},
		{"it wants to be left alone", text(429, "%v"), false},
		{"it speaks of maintenance", text(200, "<html>%v"), false},
		{"it says null", text(200, "null%.0s"), false},
		{"it has an empty list", text(200, "[]%.0s"), true},
		{"it ends in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			fmt.Fprint(w, `[{"id": 1,`)
		}, false},
		{"it hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false},
		{"it has pages without an end", lists(true, 0), false},
		{"it has 100,000 of everything", lists(true, 100), false},
	}
	for _, g := range asking {
		t.Run(g.name, func(t *testing.T) {
			x := newTrial(t, g.generator, g.good, g.parameter)
			x.look(t.Context())
			x.kept("at first")
			for _, trouble := range troubles {
				x.there.bad.Store(&trouble.handler)
				x.now = x.now.Add(2 * time.Hour) // more than anything is remembered for
				next := x.look(t.Context())
				x.kept("when " + trouble.name)
				if problem := x.problem(); (problem == "") && !trouble.quiet || problem != "" && (next.RequeueAfter != errorAgain || !strings.HasPrefix(problem, gitopsv1.ReasonParamsError)) {
					t.Errorf("when %s it says %q, and looks again after %s", trouble.name, problem, next.RequeueAfter)
				}
			}
			x.there.bad.Store(nil)
			x.now = x.now.Add(2 * time.Hour)
			if x.look(t.Context()); x.problem() != "" {
				t.Errorf("it does not recover: %s", x.problem())
			}
		})
	}
}

func TestAServerThatHangsTakesNoApplicationsAway(t *testing.T) {
	for _, g := range asking {
		t.Run(g.name, func(t *testing.T) {
			x := newTrial(t, g.generator, g.good, g.parameter)
			x.look(t.Context())
			ctx, cancel := context.WithCancel(t.Context())
			hang := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // the server sees the end of a connection only behind the body
				cancel()
				<-r.Context().Done()
			})
			x.there.bad.Store(&hang)
			x.now = x.now.Add(2 * time.Hour)
			x.look(ctx)
			x.kept("when it hangs")
			if x.problem() == "" {
				t.Error("nothing is told")
			}
		})
	}
}

func TestAChangeOfAnApplicationAsksNobodyAnew(t *testing.T) {
	for _, g := range asking {
		t.Run(g.name, func(t *testing.T) {
			x := newTrial(t, g.generator, g.good, g.parameter)
			next := x.look(t.Context())
			if next.RequeueAfter != gitopsv1.DefaultProviderRequeueAfter {
				t.Errorf("looks again after %s", next.RequeueAfter)
			}
			first := x.there.asked.Load()
			for range 3 {
				x.now = x.now.Add(9 * time.Minute)
				x.look(t.Context())
			}
			if asked := x.there.asked.Load(); asked != first {
				t.Errorf("%d requests at first, %d after half an hour less a moment", first, asked)
			}
			x.now = x.now.Add(3 * time.Minute)
			if x.look(t.Context()); x.there.asked.Load() != 2*first {
				t.Errorf("%d requests after half an hour", x.there.asked.Load())
			}
			x.change(func(set *gitopsv1.ApplicationSet) {
				set.Annotations = map[string]string{gitopsv1.AnnotationApplicationSetRefresh: "true"}
			})
			if x.look(t.Context()); x.there.asked.Load() != 3*first || x.set().Annotations[gitopsv1.AnnotationApplicationSetRefresh] != "" {
				t.Errorf("%d requests after a webhook, annotations %v", x.there.asked.Load(), x.set().Annotations)
			}
		})
	}
}

func TestAServerThatFailsIsAskedAgainAfterAWhile(t *testing.T) {
	g := asking[0]
	x := newTrial(t, g.generator, g.good, g.parameter)
	fail := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	x.there.bad.Store(&fail)
	x.look(t.Context())
	told := x.problem()
	for range 5 {
		x.now = x.now.Add(30 * time.Second)
		x.look(t.Context())
	}
	if asked := x.there.asked.Load(); asked != 1 || x.problem() != told || told == "" {
		t.Errorf("%d requests within %s; first %q, then %q", asked, errorAgain, told, x.problem())
	}
	x.there.bad.Store(nil)
	x.now = x.now.Add(30 * time.Second)
	if x.look(t.Context()); x.problem() != "" {
		t.Errorf("it is not asked again: %s", x.problem())
	}
}

func TestAnswersBeforeAFailureAreKept(t *testing.T) {
	g := asking[0]
	x := newTrial(t, g.generator, g.good, g.parameter)
	branchless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/two/") {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		x.there.answer(w, r)
	})
	x.there.bad.Store(&branchless)
	x.look(t.Context())
	before := x.there.asked.Load()
	x.there.bad.Store(nil)
	x.now = x.now.Add(errorAgain)
	x.look(t.Context())
	x.kept("after the failure")
	if again := x.there.asked.Load() - before; again < 1 || again > 2 { // one of the two branches was perhaps given up with the other
		t.Errorf("%d requests for what was missing", again)
	}
}

func TestAChangedSpecIsNotAnsweredFromMemory(t *testing.T) {
	var m memory
	set := aSet()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	q := generate.Question{About: generate.AboutPlugin, MaxAge: time.Hour}
	git := generate.Question{About: generate.AboutTree}
	m.keep(set, now, []generate.Question{q, git}, map[generate.Question]generate.Answer{q: {NotFound: true}, git: {}}, context.Canceled)
	if answers, failure := m.recall(set, now, false); len(answers) != 1 || !answers[q].NotFound || failure == nil {
		t.Errorf("%v, %v", answers, failure)
	}
	for name, other := range map[string]func(*gitopsv1.ApplicationSet){
		"another spec": func(s *gitopsv1.ApplicationSet) { s.Generation++ }, "another set of the name": func(s *gitopsv1.ApplicationSet) { s.UID = "other" },
	} {
		changed := set.DeepCopy()
		other(changed)
		if answers, failure := m.recall(changed, now, false); len(answers) != 0 || failure != nil {
			t.Errorf("%s: %v, %v", name, answers, failure)
		}
	}
	m.keep(set, now, nil, map[generate.Question]generate.Answer{q: {}}, nil)
	if answers, _ := m.recall(set, now.Add(time.Hour), false); len(answers) != 0 {
		t.Errorf("too old: %v", answers)
	}
	m.forget(client.ObjectKeyFromObject(set))
	if len(m.sets) != 0 {
		t.Errorf("%d sets are remembered", len(m.sets))
	}
}
