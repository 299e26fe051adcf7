package source

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

const proposals = "sluice/revert"

// pushable serves a repository that takes pushes, and gives what reverts in it with a Secret for writing.
func pushable(t *testing.T) (*remote, *Repositories) {
	t.Helper()
	r := serve(t)
	r.git(t, "config", "http.receivepack", "true")
	r.git(t, "config", "receive.denyCurrentBranch", "ignore")
	all := repositories(t, r.url, canary)
	all.Keys = func(context.Context) (Keys, error) {
		return Keys{Secrets: []corev1.Secret{{
			ObjectMeta: metav1.ObjectMeta{Name: "push", Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepositoryWrite}},
			Data:       map[string][]byte{"url": []byte(r.url), "username": []byte("git"), "password": []byte(canary)},
		}}}, nil
	}
	return r, all
}

// write commits some files.
func (r *remote) write(t *testing.T, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.git(t, "add", ".")
	r.git(t, "commit", "-q", "-m", "change")
	return r.git(t, "rev-parse", "HEAD")
}

// revert asks for one; each commit is taken for the one that brought what is held, unless its parent is among the innocent.
func revert(t *testing.T, all *Repositories, url, held, tracked, branch string, innocent ...string) (string, error) {
	t.Helper()
	w := want(url, "main")
	ask := gitsync.Revert{Change: gitsync.Change{Source: w.Source, Commit: held, Tracked: tracked}, Branch: branch, Subject: "Revert what the canary rejected", Body: "Rollout shop/web was aborted: too many errors"}
	return all.Revert(t.Context(), w, ask, func(_ context.Context, parent string) (bool, error) {
		for _, one := range innocent {
			if one == parent {
				return false, nil
			}
		}
		return true, nil
	})
}

func TestARejectedCommitIsRevertedOnABranchOnce(t *testing.T) {
	r, all := pushable(t)
	r.write(t, map[string]string{"web.yaml": "image: 1", "other.yaml": "a: 1"})
	bad := r.write(t, map[string]string{"web.yaml": "image: 2", "new/more.yaml": "x"})
	later := r.write(t, map[string]string{"other.yaml": "a: 2"})
	by, err := revert(t, all, r.url, bad, later, proposals)
	if err != nil {
		t.Fatal(err)
	}
	if head := r.git(t, "rev-parse", proposals); head != by {
		t.Errorf("the branch is at %s, not at %s", head, by)
	}
	if diff := r.git(t, "diff", "--stat=80", bad+"^", by); !strings.Contains(diff, "other.yaml") || strings.Contains(diff, "web.yaml") || strings.Contains(diff, "more.yaml") {
		t.Errorf("what is left of the commit: %s", diff)
	}
	text := r.git(t, "log", "-1", "--format=%an|%ae|%P|%B", by)
	for _, part := range []string{"sluice-controller|", "|" + later + "|Revert what", "shop/web was aborted: too many errors", "This reverts commit " + bad + ".", "\nSluice-Held-Commit: " + bad} {
		if !strings.Contains(text, part) {
			t.Errorf("the commit lacks %q:\n%s", part, text)
		}
	}
	// Another process knows nothing of this one, and the repository has moved on.
	again := &Repositories{Dir: t.TempDir(), Keys: all.Keys, Timeout: all.Timeout, Schemes: all.Schemes}
	second, err := revert(t, again, r.url, bad, r.write(t, map[string]string{"other.yaml": "a: 3"}), proposals)
	if err != nil || second != by || r.git(t, "rev-parse", proposals) != by {
		t.Errorf("a second look gives %s, %v; want %s", second, err, by)
	}
	if left, err := filepath.Glob(filepath.Join(all.Dir, "*")); err != nil || len(left) != 0 {
		t.Errorf("there is left %v, %v", left, err)
	}
}

func TestARevertGoesOnABranchThatIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, r *remote, bad string)
		parent  func(t *testing.T, r *remote) string
		problem string
	}{
		"on top of a branch that has the commit": {func(t *testing.T, r *remote, _ string) {
			r.git(t, "checkout", "-q", "-b", proposals)
			r.write(t, map[string]string{"note.md": "mine"})
			r.git(t, "checkout", "-q", "main")
		}, func(t *testing.T, r *remote) string { return r.git(t, "rev-parse", proposals) }, ""},
		"on top of what is tracked, if the branch was merged": {func(t *testing.T, r *remote, bad string) {
			r.git(t, "branch", proposals, bad+"^")
		}, func(t *testing.T, r *remote) string { return r.git(t, "rev-parse", "main") }, ""},
		"not at all on a branch that went elsewhere": {func(t *testing.T, r *remote, bad string) {
			r.git(t, "checkout", "-q", "-b", proposals, bad+"^")
			r.write(t, map[string]string{"note.md": "mine"})
			r.git(t, "checkout", "-q", "main")
		}, nil, "has commits of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			r, all := pushable(t)
			r.write(t, map[string]string{"web.yaml": "image: 1"})
			bad := r.write(t, map[string]string{"web.yaml": "image: 2"})
			for range revertDepth + 10 { // further than a shallow clone sees
				r.git(t, "commit", "-q", "--allow-empty", "-m", "x")
			}
			c.prepare(t, r, bad)
			before := r.git(t, "rev-parse", proposals)
			parent := ""
			if c.parent != nil {
				parent = c.parent(t, r)
			}
			by, err := revert(t, all, r.url, bad, r.git(t, "rev-parse", "main"), proposals)
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) || r.git(t, "rev-parse", proposals) != before {
					t.Errorf("error %v, want %q", err, c.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := r.git(t, "rev-parse", proposals, by+"^1"); got != by+"\n"+parent {
				t.Errorf("the branch and its parent are\n%s\nwant\n%s\n%s", got, by, parent)
			}
			if text := r.git(t, "show", by+":web.yaml"); text != "image: 1" {
				t.Errorf("the file says %q", text)
			}
		})
	}
}

func TestTheCommitThatBroughtTheManifestIsRevertedAndNotALaterOne(t *testing.T) {
	r, all := pushable(t)
	r.write(t, map[string]string{"web.yaml": "image: 1"})
	bad := r.write(t, map[string]string{"web.yaml": "image: 2"})
	held := r.write(t, map[string]string{"other.yaml": "a: 1"})
	by, err := revert(t, all, r.url, held, held, proposals, bad)
	if err != nil {
		t.Fatal(err)
	}
	if text := r.git(t, "show", by+":web.yaml") + r.git(t, "show", by+":other.yaml"); text != "image: 1a: 1" {
		t.Errorf("the files say %q", text)
	}
	if text := r.git(t, "log", "-1", "--format=%B", by); !strings.Contains(text, "This reverts commit "+bad) || !strings.Contains(text, "Held-Commit: "+held) {
		t.Errorf("the commit says %s", text)
	}
}

func TestAMergeIsRevertedAsAWhole(t *testing.T) {
	r, all := pushable(t)
	r.write(t, map[string]string{"web.yaml": "image: 1"})
	r.git(t, "checkout", "-q", "-b", "feature")
	r.write(t, map[string]string{"web.yaml": "image: 2"})
	r.write(t, map[string]string{"other.yaml": "a: 1"})
	r.git(t, "checkout", "-q", "main")
	r.git(t, "merge", "-q", "--no-ff", "-m", "merge", "feature")
	merge := r.git(t, "rev-parse", "HEAD")
	by, err := revert(t, all, r.url, merge, merge, proposals)
	if err != nil {
		t.Fatal(err)
	}
	if diff := r.git(t, "diff", merge+"^1", by); diff != "" {
		t.Errorf("there is left %s", diff)
	}
}

func TestATrackedBranchMovesForwardIfItIsNamed(t *testing.T) {
	r, all := pushable(t)
	r.write(t, map[string]string{"web.yaml": "image: 1"})
	bad := r.write(t, map[string]string{"web.yaml": "image: 2"})
	by, err := revert(t, all, r.url, bad, bad, "main")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.git(t, "rev-parse", "main", "main^1"); got != by+"\n"+bad {
		t.Errorf("main is %s", got)
	}
	// What goes back to the older state may be rejected as well; the two must not take turns.
	if _, err := revert(t, all, r.url, by, by, "main"); err == nil || !strings.Contains(err.Error(), "is a revert itself") || r.git(t, "rev-parse", "main") != by {
		t.Errorf("a revert of the revert: %v", err)
	}
}

func TestWhatCannotBeRevertedIsToldAndNothingIsPushed(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, r *remote, all *Repositories, bad string) (held string)
		problem string
	}{
		"a later commit touches the same lines": {func(t *testing.T, r *remote, _ *Repositories, bad string) string {
			r.write(t, map[string]string{"web.yaml": "image: 3"})
			return bad
		}, "conflicts with later commits in web.yaml; revert it by hand"},
		"a later commit has taken it back": {func(t *testing.T, r *remote, _ *Repositories, bad string) string {
			r.write(t, map[string]string{"web.yaml": "image: 1"})
			return bad
		}, "would change nothing"},
		"the first commit": {func(t *testing.T, r *remote, _ *Repositories, bad string) string {
			return r.git(t, "rev-parse", bad+"^")
		}, "is the first one"},
		"a commit that is gone": {func(*testing.T, *remote, *Repositories, string) string {
			return strings.Repeat("1", 40)
		}, "fetching from"},
		"credentials for reading alone": {func(_ *testing.T, r *remote, all *Repositories, bad string) string {
			all.Keys = keysFor(r.url, canary)
			return bad
		}, "argocd.argoproj.io/secret-type: repository-write"},
		"a server that refuses": {func(t *testing.T, r *remote, _ *Repositories, bad string) string {
			hook := "#!/bin/sh\necho 'the branch is protected, " + canary + "' >&2\nexit 1\n"
			if err := os.WriteFile(filepath.Join(r.dir, ".git", "hooks", "pre-receive"), []byte(hook), 0o700); err != nil { //nolint:gosec // a hook is a program
				t.Fatal(err)
			}
			return bad
		}, "the branch is protected"},
	} {
		t.Run(name, func(t *testing.T) {
			r, all := pushable(t)
			r.write(t, map[string]string{"web.yaml": "image: 1"})
			held := c.prepare(t, r, all, r.write(t, map[string]string{"web.yaml": "image: 2"}))
			_, err := revert(t, all, r.url, held, r.git(t, "rev-parse", "main"), proposals)
			if err == nil || !strings.Contains(err.Error(), c.problem) || strings.Contains(err.Error(), canary) {
				t.Errorf("error %v, want %q", err, c.problem)
			}
			if branches := r.git(t, "branch", "--format=%(refname:short)"); branches != "main" {
				t.Errorf("the branches are %s", branches)
			}
		})
	}
}
