package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pmezard/go-difflib/difflib"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/console/view"
	"github.com/sluice-delivery/sluice/controllers/application"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/cluster"
	"github.com/sluice-delivery/sluice/gitsync/render"
	"github.com/sluice-delivery/sluice/gitsync/source"
)

const (
	gitTimeout    = 2 * time.Minute
	renderTimeout = time.Minute
	renderMemory  = 1 << 30
)

// localFlags name a folder whose manifests stand in for those of Git.
type localFlags struct{ dir, root string }

func (l *localFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.dir, "local", "", "Take the manifests from this folder, before anything is committed")
	cmd.Flags().StringVar(&l.root, "local-repo-root", "", "Root of the repository that --local lies in; found by its .git if it is not given")
}

func (l *localFlags) given() bool { return l.dir != "" }

// diffing is what app diff was asked for.
type diffing struct {
	local    localFlags
	revision string
	names    bool
}

func newAppDiff(s *session) *cobra.Command {
	o := &diffing{}
	code := exitDiffers
	withCode := true
	cmd := &cobra.Command{
		Use:   "diff NAME",
		Short: "Show what a sync would change, also before a commit is pushed",
		Long: `Show what a sync would change: lines with - are in the cluster, lines with + are what Git or --local asks for.

The manifests are rendered here and held against the cluster by the API server's dry run, by the code of the controller, with your own rights:
to read the Secrets of the repository unless --local is given, to read the objects, and to patch them though nothing is changed.
Values of Secrets are masked.

  CODE  MEANING
  0     nothing would change
  1     something would change; --diff-exit-code makes it another number, --exit-code=false 0
  2     it could not be found out`,
		Example: `  kubectl sluice app diff shop
  kubectl sluice app diff shop --local ./deploy/shop
  kubectl sluice app diff shop --revision feature/x`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: s.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			differs, err := s.appDiff(cmd.Context(), args[0], o)
			if err != nil {
				return &verdictError{err, exitNoDiff}
			}
			if differs && withCode {
				return &exit{code}
			}
			return nil
		},
	}
	o.local.bind(cmd)
	f := cmd.Flags()
	f.StringVar(&o.revision, "revision", "", "Commit, branch or tag to compare with instead of what the spec asks for")
	f.Bool("server-side-generate", false, "Render --local as the controller does, which is always done; for scripts that say so")
	f.BoolVar(&o.names, "name-only", false, "Only list the resources that differ")
	f.BoolVar(&withCode, "exit-code", true, "Tell differences by the exit code")
	f.IntVar(&code, "diff-exit-code", exitDiffers, "Exit code for differences")
	return cmd
}

// verdictError is an error with an exit code of its own.
type verdictError struct {
	error
	code int
}

func (e *verdictError) Unwrap() error { return e.error }

func (s *session) appDiff(ctx context.Context, name string, o *diffing) (differs bool, err error) {
	key, err := s.appKey(name)
	if err != nil {
		return false, err
	}
	c, err := s.connect()
	if err != nil {
		return false, err
	}
	return s.differences(ctx, c, key, o)
}

// differences compares and prints, and reports whether there are any.
func (s *session) differences(ctx context.Context, c client.WithWatch, key client.ObjectKey, o *diffing) (bool, error) {
	found, err := s.compared(ctx, c, key, o)
	if err != nil {
		return false, err
	}
	var lines []line
	for _, d := range found.Differences {
		drawn, err := drawDifference(d, o.names)
		if err != nil {
			return false, err
		}
		lines = append(lines, drawn...)
	}
	if len(lines) == 0 {
		lines = []line{text(dim, fmt.Sprintf("application %s: nothing differs at %s", key, short(found.Revisions...)))}
	}
	return len(found.Differences) > 0, s.print(lines)
}

// drawDifference is one object that differs, as people know differences.
func drawDifference(d gitsync.Difference, nameOnly bool) ([]line, error) {
	name := strings.TrimPrefix(d.Key.Group+"/"+d.Key.Kind, "/") + " " + strings.TrimPrefix(d.Key.Namespace+"/"+d.Key.Name, "/")
	lines := []line{text(bold, "===== "+name+" =====")}
	if nameOnly {
		return []line{text(plain, name)}, nil
	}
	if d.Problem != "" {
		lines = append(lines, text(red, "! "+d.Problem))
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{A: splitLines(d.Have), B: splitLines(d.Want), Context: 3})
	if err != nil {
		return nil, fmt.Errorf("comparing %s: %w", name, err)
	}
	for l := range strings.Lines(diff) {
		tone := plain
		switch l[0] {
		case '+':
			tone = green
		case '-':
			tone = red
		case '@':
			tone = cyan
		}
		lines = append(lines, line{{clean(strings.TrimSuffix(l, "\n")), tone}})
	}
	return lines, nil
}

func splitLines(words string) []string {
	if words == "" {
		return nil
	}
	return difflib.SplitLines(strings.TrimSuffix(words, "\n"))
}

// compared compares an Application as it was asked for.
func (s *session) compared(ctx context.Context, c client.WithWatch, key client.ObjectKey, o *diffing) (gitsync.Comparison, error) {
	app, look, end, err := s.lookAt(ctx, c, key, o)
	if err != nil {
		return gitsync.Comparison{}, err
	}
	defer end()
	defer s.patience("comparing application " + key.String())()
	return look.Compare(ctx, app)
}

// lookAt reads an Application as it was asked for, and gives what looks at it, which must be ended.
func (s *session) lookAt(ctx context.Context, c client.WithWatch, key client.ObjectKey, o *diffing) (*gitopsv1.Application, looker, func(), error) {
	app, err := view.LoadApplication(ctx, c, key)
	if err != nil {
		return nil, nil, nil, err
	}
	var files application.Source
	if o.local.given() {
		if files, err = o.local.source(app); err != nil {
			return nil, nil, nil, err
		}
	}
	if err := atRevision(app, o.revision); err != nil {
		return nil, nil, nil, err
	}
	look, end, err := s.looker(ctx, c, app, files)
	return app, look, end, err
}

func atRevision(app *gitopsv1.Application, revision string) error {
	switch {
	case revision == "":
	case len(app.Spec.Sources) > 1:
		return errors.New("--revision says nothing about which of several sources is meant")
	case len(app.Spec.Sources) == 1:
		app.Spec.Sources[0].TargetRevision = revision
	case app.Spec.Source != nil:
		app.Spec.Source.TargetRevision = revision
	}
	return nil
}

// source gives the files of a folder for an Application, whose path becomes that of the folder.
func (l *localFlags) source(app *gitopsv1.Application) (application.Source, error) {
	dir, err := filepath.Abs(l.dir)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", l.dir, err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("--local %s is no folder", l.dir)
	}
	root := l.root
	if root == "" {
		root = rootOf(dir)
	}
	if root, err = filepath.Abs(root); err != nil {
		return nil, fmt.Errorf("finding %s: %w", l.root, err)
	}
	path, err := filepath.Rel(root, dir)
	if err != nil || path == ".." || strings.HasPrefix(path, ".."+string(filepath.Separator)) {
		return nil, fmt.Errorf("--local %s does not lie in --local-repo-root %s", l.dir, l.root)
	}
	one := app.Spec.Source
	if len(app.Spec.Sources) == 1 {
		one = &app.Spec.Sources[0]
	}
	if one == nil || len(app.Spec.Sources) > 1 {
		return nil, errors.New("--local stands in for a single source, and the Application has several")
	}
	one.Path, one.Chart = filepath.ToSlash(path), ""
	return folder(root), nil
}

// rootOf is the repository that a folder lies in, or the folder itself.
func rootOf(dir string) string {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, ".git")); !errors.Is(err, fs.ErrNotExist) {
			return at
		}
		if at == filepath.Dir(at) {
			return dir
		}
	}
}

// folder is a Source that is a folder here.
type folder string

// Resolve gives a name that no commit has.
func (folder) Resolve(context.Context, gitsync.Want) (string, error) { return "local", nil }

// Fetch gives the folder as it is.
func (f folder) Fetch(context.Context, gitsync.Want, string) (gitsync.Checkout, error) {
	return gitsync.Checkout{Dir: string(f), Revision: "local", Release: func() {}}, nil
}

// looker is the code of the controller that looks at an Application.
type looker interface {
	Compare(ctx context.Context, app *gitopsv1.Application) (gitsync.Comparison, error)
	Render(ctx context.Context, app *gitopsv1.Application) ([]*unstructured.Unstructured, error)
}

// lookHere looks with the rights of the user. Without files the repository is asked. What it gives must be ended.
func (s *session) lookHere(ctx context.Context, c client.WithWatch, app *gitopsv1.Application, files application.Source) (looker, func(), error) {
	cfg, err := s.config().ClientConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	cfg.QPS = -1
	ctx, cancel := context.WithCancel(ctx)
	end := cancel
	if files == nil {
		dir, err := os.MkdirTemp("", "kubectl-sluice-")
		if err != nil {
			cancel()
			return nil, nil, fmt.Errorf("making a folder for the clone: %w", err)
		}
		end = func() {
			cancel()
			// It is a folder for what passes, which the system empties.
			_ = os.RemoveAll(dir)
		}
		files = &source.Repositories{Dir: dir, Keys: source.KeysIn(c, s.controlNamespace), Poll: time.Hour, Timeout: gitTimeout, Schemes: []string{"http", "git"}}
	}
	// What in the settings cannot be followed the controller tells already.
	settings := &application.Settings{Reader: c, Namespace: s.controlNamespace, Events: &record.FakeRecorder{}}
	return &application.Controller{
		Client: c, Namespace: s.controlNamespace, Source: files, Renderer: &render.Renderer{Timeout: renderTimeout, Memory: renderMemory},
		Health: settings.Assess, Settings: settings.Load,
		Clusters: &cluster.Set{
			Local: cfg, Secrets: c, Namespace: s.controlNamespace, Context: ctx, Changed: func(string, string) {},
			Once: &cluster.Once{Namespaces: []string{app.Spec.Destination.Namespace}},
		},
	}, end, nil
}
