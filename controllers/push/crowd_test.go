package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/webhook"
)

// crowd is an API server with so many Applications that they must not be in memory at the same time, each with a status that has its size in life.
type crowd struct {
	client.Client
	count int
	// change makes number i differ from the others.
	change func(i int, app *gitopsv1.Application)

	// expired is what the server answers once, instead of the second page.
	expired error

	patched, inFlight, most atomic.Int64
	// held is how many bytes were live in the middle of the writes.
	held atomic.Uint64
}

func (c *crowd) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	apps, is := list.(*gitopsv1.ApplicationList)
	if !is {
		return nil
	}
	var o client.ListOptions
	o.ApplyOptions(opts)
	from, _ := strconv.Atoi(o.Continue)
	if err := c.expired; err != nil && from > 0 {
		c.expired = nil
		return err
	}
	until := min(from+int(o.Limit), c.count)
	if until < c.count {
		apps.Continue = strconv.Itoa(until)
	}
	for i := from; i < until; i++ {
		app := gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: fmt.Sprintf("app-%06d", i)}}
		app.Spec.Source = &gitopsv1.Source{RepoURL: "git@git.example.com:org/repo.git", TargetRevision: "main", Path: fmt.Sprintf("apps/%d", i)}
		if c.change != nil {
			c.change(i, &app)
		}
		live(&app)
		apps.Items = append(apps.Items, app)
	}
	return nil
}

// live fills an Application as the API server answers with it.
func live(app *gitopsv1.Application) {
	app.Status.Conditions = []gitopsv1.ApplicationCondition{{Message: strings.Repeat("x", 4096)}}
}

func (c *crowd) Patch(_ context.Context, o client.Object, _ client.Patch, _ ...client.PatchOption) error {
	if now := c.inFlight.Add(1); now > c.most.Load() {
		c.most.Store(now)
	}
	defer c.inFlight.Add(-1)
	if app, whole := o.(*gitopsv1.Application); whole {
		live(app)
	}
	if n := c.patched.Add(1); n == int64(c.count)*9/10 {
		runtime.GC()
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		c.held.Store(now.HeapAlloc)
	}
	return nil
}

// spread acts on deliveries and checks that it takes no more than a minute and little memory at a time.
func (c *crowd) spread(t *testing.T, bodies ...string) {
	t.Helper()
	s := &Server{Reader: c, Writer: c, Secrets: newWorld(t, secret(map[string]string{webhook.KeyGitHub: canary})).client, Namespace: "argocd"}
	w := &world{Server: s, t: t}
	for _, b := range bodies {
		if code, said := w.send(request(http.MethodPost, b, canary)); code != http.StatusOK {
			t.Fatalf("%d %s", code, said)
		}
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	w.work()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	t.Logf("%d of %d Applications asked in %s, at most %d at a time, with %d KiB allocated for each and %d MiB held",
		c.patched.Load(), c.count, took.Round(time.Millisecond), c.most.Load(), (after.TotalAlloc-before.TotalAlloc)/uint64(c.count)>>10, (int64(c.held.Load())-int64(before.HeapAlloc))>>20)
	if took > time.Minute {
		t.Errorf("it took %s", took)
	}
	if held := int64(c.held.Load()) - int64(before.HeapAlloc); held > 64<<20 {
		t.Errorf("%d MiB were held at a time", held>>20)
	}
	if c.most.Load() > writers {
		t.Errorf("%d were written at a time", c.most.Load())
	}
}

func push(ref, after string, files ...string) string {
	list := ""
	if len(files) > 0 {
		list = `"` + strings.Join(files, `","`) + `"`
	}
	return fmt.Sprintf(`{"ref":"refs/heads/%s","before":"a","after":"%s","repository":{"html_url":"https://git.example.com/org/repo","default_branch":"main"},
		"commits":[{"modified":[%s]}]}`, ref, after, list)
}

const many = 100_000

// looking lets an Application be asked to look, after it has compared a commit.
func looking(commit string) func(int, *gitopsv1.Application) {
	return func(i int, app *gitopsv1.Application) {
		knows(commit, gitopsv1.SyncSynced)(i, app)
		app.Annotations = map[string]string{gitopsv1.AnnotationRefresh: gitopsv1.RefreshNormal}
	}
}

// knows lets an Application have compared a commit.
func knows(commit string, state gitopsv1.SyncStatusCode) func(int, *gitopsv1.Application) {
	return func(_ int, app *gitopsv1.Application) {
		app.Status.Sync = gitopsv1.SyncStatus{Status: state, Revision: commit}
	}
}

func TestOnePushOfManyApplicationsAsksEachOnceInBoundedTimeAndMemory(t *testing.T) {
	c := &crowd{count: many}
	c.spread(t, push("main", "b"))
	if n := c.patched.Load(); n != many {
		t.Errorf("%d Applications were asked", n)
	}
}

func TestWhatTheApplicationsKnowAlreadyIsNotWritten(t *testing.T) {
	old, newer := push("main", "old"), push("main", "new")
	replayed := make([]string, backlog)
	for i := range replayed {
		replayed[i] = newer
	}
	for _, c := range []struct {
		name   string
		bodies []string
		change func(int, *gitopsv1.Application)
		want   int64
	}{
		{"the same delivery again and again", replayed, knows("old", gitopsv1.SyncSynced), 2000},
		{"a delivery after polling found its commit", []string{newer}, knows("new", gitopsv1.SyncOutOfSync), 0},
		{"the same where the comparison failed", []string{newer}, knows("new", gitopsv1.SyncUnknown), 2000},
		{"a push back to the commit that is known, while a look may have found the one between", []string{newer}, looking("new"), 2 * 2000},
		{"a delivery for an older commit after a newer one", []string{old}, knows("new", gitopsv1.SyncSynced), 2000},
		{"two at once, the older one last", []string{newer, old}, knows("old", gitopsv1.SyncSynced), 2000},
		{"two at once, the newer one last", []string{old, newer}, knows("old", gitopsv1.SyncSynced), 2000},
		{"a branch that nobody follows", []string{push("other", "x")}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			crowd := &crowd{count: 2000, change: c.change}
			crowd.spread(t, c.bodies...)
			if n := crowd.patched.Load(); n != c.want {
				t.Errorf("%d Applications were asked, want %d", n, c.want)
			}
		})
	}
}

// TestTheNewestCommitWinsWhateverTheOrderOfDeliveries shows that nothing of a delivery reaches an Application: it is asked to look, and finds what
// the branch holds by then.
func TestTheNewestCommitWinsWhateverTheOrderOfDeliveries(t *testing.T) {
	w := newWorld(t, secret(map[string]string{webhook.KeyGitHub: canary}), app("shop", nil, gitopsv1.Source{RepoURL: "https://git.example.com/org/repo", TargetRevision: "main"}))
	for _, b := range []string{push("main", "newer-commit"), push("main", "older-commit")} {
		w.send(request(http.MethodPost, b, canary))
		w.work()
	}
	want := `shop {"metadata":{"annotations":{"argocd.argoproj.io/refresh":"normal"}}}`
	for _, p := range w.patches {
		if p != want && p != strings.Replace(want, `"normal"`, "null", 1) {
			t.Errorf("written: %s", p)
		}
	}
	if len(w.patches) == 0 || w.patches[len(w.patches)-1] != want {
		t.Errorf("the last write of %d is no request for a look", len(w.patches))
	}
}

func TestAPushToALargeRepositoryAsksOnlyThoseWhosePathsChanged(t *testing.T) {
	var few, all []string
	for i := range 1000 {
		few = append(few, fmt.Sprintf("apps/%d/deep/in/the/folder.yaml", i))
	}
	for i := range 200_000 {
		all = append(all, fmt.Sprintf("docs/%d/deep/in/the/folder/of/a/large/repository/page.md", i))
	}
	paths := func(paths string) func(int, *gitopsv1.Application) {
		return func(_ int, app *gitopsv1.Application) {
			app.Annotations = map[string]string{gitopsv1.AnnotationManifestGeneratePaths: paths}
		}
	}
	for _, c := range []struct {
		name   string
		change func(int, *gitopsv1.Application)
		body   string
		want   int64
	}{
		{"folders", paths(".;/shared"), push("main", "b", few...), 1000},
		{"patterns", paths("deep/*/the/folder.y?ml"), push("main", "b", few...), 1000},
		{"more files than are told apart", paths("."), push("main", "b", all...), 5000},
	} {
		t.Run(c.name, func(t *testing.T) {
			crowd := &crowd{count: 5000, change: c.change}
			crowd.spread(t, c.body)
			if n := crowd.patched.Load(); n != c.want {
				t.Errorf("%d Applications were asked, want %d", n, c.want)
			}
		})
	}
}

func TestAListThatTheServerForgotLosesNoPush(t *testing.T) {
	goesOn := apierrors.NewResourceExpired("the continue token is too old")
	goesOn.ErrStatus.Continue = strconv.Itoa(page)
	events := []webhook.Event{{Pushes: []webhook.Push{{RepoURLs: []string{"https://git.example.com/org/repo"}, Ref: "refs/heads/main"}}}}
	for _, c := range []struct {
		name   string
		answer error
		asked  int64
		fails  bool
	}{
		{"and goes on with the state of now", goesOn, 3 * page, false},
		{"and does not go on", apierrors.NewResourceExpired("too old"), page, true},
		{"because it fails", errors.New("no"), page, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			crowd := &crowd{count: 3 * page, expired: c.answer}
			err := (&Server{Reader: crowd, Writer: crowd}).spread(t.Context(), events)
			if n := crowd.patched.Load(); n != c.asked || (err != nil) != c.fails {
				t.Errorf("%d Applications were asked, want %d; error %v", n, c.asked, err)
			}
		})
	}
}

func TestAnAPIServerThatFailsIsNotAskedForEachOfACrowd(t *testing.T) {
	c := &crowd{count: 5000}
	failing := &failingWriter{}
	s := &Server{Reader: c, Writer: failing}
	err := s.spread(t.Context(), []webhook.Event{{Pushes: []webhook.Push{{RepoURLs: []string{"https://git.example.com/org/repo"}, Ref: "refs/heads/main"}}}})
	if err == nil || len(err.Error()) > 10_000 {
		t.Errorf("the error has %d bytes", len(fmt.Sprint(err)))
	}
	if n := failing.asked.Load(); n > failures+writers {
		t.Errorf("it was asked %d times", n)
	}
}

type failingWriter struct {
	client.Writer
	asked atomic.Int64
}

func (f *failingWriter) Patch(context.Context, client.Object, client.Patch, ...client.PatchOption) error {
	f.asked.Add(1)
	return errors.New("no")
}

func TestALineOfTheLogIsShort(t *testing.T) {
	var events []webhook.Event
	for i := range 5000 {
		events = append(events, webhook.Event{Pushes: []webhook.Push{{RepoURLs: []string{"https://git.example.com/org/repo"}, Ref: fmt.Sprintf("refs/heads/%d", i/2)}}})
	}
	if got := subjects(events); len(got) != mostSubjects+1 || got[mostSubjects] != "and 2490 more" {
		t.Errorf("the log names %q", got)
	}
}

// endless is a body that counts what is read of it.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read.Add(int64(len(p)))
	return len(p), nil
}

func TestABodyOf100MBIsNotReadToItsEnd(t *testing.T) {
	w := newWorld(t, secret(map[string]string{webhook.KeyGitHub: canary}))
	for name, length := range map[string]int64{"told": 100 << 20, "not told": -1, "told wrong": 10} {
		body := &endless{}
		r := request(http.MethodPost, "", canary)
		r.Body, r.ContentLength = io.NopCloser(body), length
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		code, _ := w.send(r)
		runtime.ReadMemStats(&after)
		if code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d", name, code)
		}
		if n, used := body.read.Load(), after.TotalAlloc-before.TotalAlloc; n > 2*largestBody || used > 8*largestBody {
			t.Errorf("%s: %d MiB were read, %d MiB allocated", name, n>>20, used>>20)
		}
	}
}
