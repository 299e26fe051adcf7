package source

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

const canary = "canary-5f1d"

// remote is a repository that git itself serves over loopback HTTP to whoever knows the password.
type remote struct {
	dir, url string
	listings atomic.Int32
	refused  atomic.Int32
}

func (r *remote) git(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *remote) commit(t *testing.T, text string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "cm.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.git(t, "add", ".")
	r.git(t, "commit", "-q", "-m", text)
	return r.git(t, "rev-parse", "HEAD")
}

func serve(t *testing.T) *remote {
	t.Helper()
	r := &remote{dir: filepath.Join(t.TempDir(), "repo")}
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r.git(t, "init", "-q", "-b", "main")
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: program, Args: []string{"http-backend"}, Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(r.dir), "GIT_HTTP_EXPORT_ALL=1"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if _, password, _ := q.BasicAuth(); password != canary {
			r.refused.Add(1)
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		if strings.HasSuffix(q.URL.Path, "/info/refs") {
			r.listings.Add(1)
		}
		backend.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL + "/repo/.git"
	return r
}

func keysFor(url, password string) func(context.Context) (Keys, error) {
	return func(context.Context) (Keys, error) {
		return Keys{Secrets: []corev1.Secret{{
			ObjectMeta: metav1.ObjectMeta{Name: "repo", Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepository}},
			Data:       map[string][]byte{"url": []byte(url), "username": []byte("git"), "password": []byte(password)},
		}}}, nil
	}
}

func repositories(t *testing.T, url, password string) *Repositories {
	return &Repositories{Dir: t.TempDir(), Keys: keysFor(url, password), Poll: time.Hour, Timeout: 30 * time.Second, Schemes: []string{"http"}}
}

func want(url, revision string) gitsync.Want {
	return gitsync.Want{Project: &gitopsv1.AppProject{}, Source: gitopsv1.Source{RepoURL: url, TargetRevision: revision}}
}

func TestRevisionsResolveAndAreAskedForOnce(t *testing.T) {
	r := serve(t)
	first := r.commit(t, "one")
	r.git(t, "tag", "-a", "-m", "x", "v1.2.0")
	second := r.commit(t, "two")
	r.git(t, "tag", "v2.0.0")
	all := repositories(t, r.url, canary)
	for revision, sha := range map[string]string{"": second, "HEAD": second, "main": second, "v1.2.0": first, "refs/tags/v2.0.0": second, "1.x": first, ">=1.0": second, first: first} {
		if got, err := all.Resolve(t.Context(), want(r.url, revision)); err != nil || got != sha {
			t.Errorf("%q gives %s, %v; want %s", revision, got, err, sha)
		}
	}
	if n := r.listings.Load(); n != 1 {
		t.Errorf("the repository was asked %d times, not once", n)
	}
	third := r.commit(t, "three")
	believed := want(r.url, "main")
	believed.Poll = &gitsync.Interval{Every: 2 * time.Hour}
	if got, err := all.Resolve(t.Context(), believed); err != nil || got != second {
		t.Errorf("what was said a moment ago is not believed: %s, %v", got, err)
	}
	believed.Poll = &gitsync.Interval{Every: time.Nanosecond}
	if got, err := all.Resolve(t.Context(), believed); err != nil || got != third {
		t.Errorf("who believes nothing is told %s, %v; want %s", got, err, third)
	}
	third = r.commit(t, "four")
	fresh := want(r.url, "main")
	fresh.Fresh = true
	if got, err := all.Resolve(t.Context(), fresh); err != nil || got != third {
		t.Errorf("a fresh question gives %s, %v; want %s", got, err, third)
	}
}

func TestFilesAreThoseOfTheCommitAndGoWithTheLastUserOnceThereIsANewerOne(t *testing.T) {
	r := serve(t)
	if err := os.Symlink("/etc/passwd", filepath.Join(r.dir, "link")); err != nil {
		t.Fatal(err)
	}
	first := r.commit(t, "one")
	r.commit(t, "two")
	all := repositories(t, r.url, canary)
	a, err := all.Fetch(t.Context(), want(r.url, ""), first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := all.Fetch(t.Context(), want(r.url, ""), first)
	if err != nil {
		t.Fatal(err)
	}
	a.Release()
	if text, err := os.ReadFile(filepath.Join(b.Dir, "cm.yaml")); err != nil || string(text) != "one" {
		t.Errorf("the file says %q, %v", text, err)
	}
	if to, err := os.Readlink(filepath.Join(b.Dir, "link")); err != nil || to != "/etc/passwd" {
		t.Errorf("the link is no link any more: %q, %v", to, err)
	}
	if id, err := b.Tree(t.Context(), "."); err != nil || id != "tree "+r.git(t, "rev-parse", first+"^{tree}") {
		t.Errorf("the tree is %q, %v", id, err)
	}
	later, err := all.Fetch(t.Context(), want(r.url, ""), r.commit(t, "three"))
	if err != nil {
		t.Fatal(err)
	}
	defer later.Release()
	if text, err := os.ReadFile(filepath.Join(b.Dir, "cm.yaml")); err != nil || string(text) != "one" {
		t.Errorf("a newer commit changed files that are used: %q, %v", text, err)
	}
	b.Release()
	if left, err := filepath.Glob(b.Dir + "*"); err != nil || len(left) != 0 {
		t.Errorf("the files of an older commit stay behind: %v, %v", left, err)
	}
}

func TestANewerCommitTakesOverTheFolderThatNobodyUsesAndHoldsItsOwnFilesAlone(t *testing.T) {
	r := serve(t)
	write := func(files map[string]string) string {
		t.Helper()
		for name, text := range files {
			file := filepath.Join(r.dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		r.git(t, "add", "-A")
		r.git(t, "commit", "-q", "-m", "files")
		return r.git(t, "rev-parse", "HEAD")
	}
	all := repositories(t, r.url, canary)
	holds := func(revision string, files map[string]string) string {
		t.Helper()
		got, err := all.Fetch(t.Context(), want(r.url, ""), revision)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Release()
		found := map[string]string{}
		err = filepath.WalkDir(got.Dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			found[strings.TrimPrefix(path, got.Dir+"/")] = string(text)
			return err
		})
		if diff := cmp.Diff(files, found); err != nil || diff != "" {
			t.Errorf("the files of %s differ (-want +got), %v:\n%s", revision, err, diff)
		}
		return got.Dir
	}
	first := write(map[string]string{"same": "1", "changed": "1", "gone": "1", "folder/deep/file": "1", "file": "1"})
	for _, name := range []string{"gone", "folder", "file"} {
		if err := os.RemoveAll(filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	second := write(map[string]string{"changed": "2", "new": "2", "folder": "2", "file/is/a/folder": "2"})
	dir := holds(first, map[string]string{"same": "1", "changed": "1", "gone": "1", "folder/deep/file": "1", "file": "1"})
	for _, at := range []string{
		holds(second, map[string]string{"same": "1", "changed": "2", "new": "2", "folder": "2", "file/is/a/folder": "2"}),
		holds(first, map[string]string{"same": "1", "changed": "1", "gone": "1", "folder/deep/file": "1", "file": "1"}),
	} {
		if at != dir {
			t.Errorf("the files lie in %s, though nobody used those in %s", at, dir)
		}
	}
}

func TestAWrongPasswordIsUnreachableAndNeverShown(t *testing.T) {
	r := serve(t)
	r.commit(t, "one")
	_, err := repositories(t, r.url, "wrong-"+canary).Resolve(t.Context(), want(r.url, "main"))
	var unreachable *gitsync.UnreachableError
	if !errors.As(err, &unreachable) || strings.Contains(err.Error(), canary) {
		t.Errorf("error %v", err)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other host was asked") }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL+"/repo.git/info/refs?service=git-upload-pack", http.StatusFound))
	defer server.Close()
	url := server.URL + "/repo.git"
	if _, err := repositories(t, url, canary).Resolve(t.Context(), want(url, "main")); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("error %v", err)
	}
}

func TestHostileAddressesAndRevisionsNeverReachGit(t *testing.T) {
	all := &Repositories{Dir: filepath.Join(t.TempDir(), "untouched"), Keys: keysFor("", ""), Timeout: time.Second}
	for _, url := range []string{"ext::sh -c id", "file:///etc", "ssh://-oProxyCommand=id/x", "ssh://git@host/a'b", "https://u:" + canary + "@host/x", "/etc", "http://host/x",
		"-oProxyCommand=id", "git@-oProxyCommand=id:x", "https://host/../x", "https://host/", "https://host/x\n", "ssh://git@host/x?y"} {
		if strings.HasSuffix(url, "\n") {
			url = "https://host/a\nb"
		}
		if _, err := all.Resolve(t.Context(), want(url, "main")); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%q gives %v", url, err)
		}
	}
	for _, revision := range []string{"--upload-pack=x", "refs/heads/../../x", "-", "a\nb", "a@{1}", strings.Repeat("a", 5000)} {
		if _, err := all.Resolve(t.Context(), want("https://host/x", revision)); err == nil {
			t.Errorf("%q is taken", revision)
		}
	}
	if _, err := os.Stat(all.Dir); !os.IsNotExist(err) {
		t.Errorf("a clone was begun: %v", err)
	}
}

func TestATemplateServesOnlyWholePartsOfAPath(t *testing.T) {
	k := Keys{Secrets: []corev1.Secret{{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepoCreds}},
		Data:       map[string][]byte{"url": []byte("https://host/org"), "password": []byte(canary)},
	}}}
	for url, password := range map[string]string{"https://host/org/a.git": canary, "https://host/organisation/a": ""} {
		if c, err := k.choose(url, "default", typeGit); err != nil || c.data["password"] != password {
			t.Errorf("%s gets %q, %v", url, c.data["password"], err)
		}
	}
}
