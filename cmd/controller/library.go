package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/controllers/application"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/generate"
	"github.com/sluice-delivery/sluice/gitsync/scm"
)

// maxRead is how many bytes of Git, in files and in paths, one set may look up at once: the contents are held in memory while it is decided.
const maxRead = 64 << 20

// library answers what generators ask: Git repositories for the project in which a set makes its Applications, providers and plugins for the set itself.
type library struct {
	repositories application.Source
	providers    *scm.Asker
	// projects reads AppProjects, which are in namespace.
	projects  client.Reader
	namespace string
	// settings say how often repositories are asked.
	settings func(context.Context) (gitsync.Settings, error)
}

// Answer asks Git for trees and files, and servers for the rest.
func (l library) Answer(ctx context.Context, set *gitopsv1.ApplicationSet, questions []generate.Question, fresh bool) (map[generate.Question]generate.Answer, error) {
	answers := map[generate.Question]generate.Answer{}
	var others []generate.Question
	left := maxRead
	for _, q := range questions {
		if q.About != generate.AboutTree && q.About != generate.AboutFile {
			others = append(others, q)
			continue
		}
		answer, err := l.git(ctx, set, q, fresh)
		if err != nil {
			return answers, err
		}
		for _, path := range answer.Paths {
			left -= len(path)
		}
		if left -= len(answer.Content); left < 0 {
			return nil, fmt.Errorf("the files and folders that the git generators look up come to more than %d MiB: narrow them, or divide the ApplicationSet", maxRead>>20)
		}
		answers[q] = answer
	}
	asked, err := l.providers.Answer(ctx, set, others)
	maps.Copy(answers, asked)
	return answers, err
}

// git looks into the commit that the question is about.
func (l library) git(ctx context.Context, set *gitopsv1.ApplicationSet, q generate.Question, fresh bool) (generate.Answer, error) {
	project, err := l.project(ctx, set, q.Repository)
	if err != nil {
		return generate.Answer{}, err
	}
	settings, err := l.settings(ctx)
	if err != nil {
		return generate.Answer{}, err
	}
	want := gitsync.Want{Project: project, Source: gitopsv1.Source{RepoURL: q.Repository, TargetRevision: q.Revision}, Fresh: fresh, Poll: settings.Poll}
	commit, err := l.repositories.Resolve(ctx, want)
	if err != nil {
		return generate.Answer{}, err
	}
	checkout, err := l.repositories.Fetch(ctx, want, commit)
	if err != nil {
		return generate.Answer{}, err
	}
	defer checkout.Release()
	root, err := os.OpenRoot(checkout.Dir)
	if err != nil {
		return generate.Answer{}, fmt.Errorf("opening the files of %s: %w", commit, err)
	}
	defer root.Close()
	answer := generate.Answer{Commit: commit}
	if q.About == generate.AboutFile {
		answer.Content, err = read(root, q.Path)
		if err != nil {
			err = fmt.Errorf("reading the file %s of %s: %w", q.Path, q.Repository, err)
		}
		return answer, err
	}
	err = fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			answer.Paths = append(answer.Paths, path)
		}
		return err
	})
	return answer, err
}

// read reads a file unless no generator would take one of its size.
func read(root *os.Root, path string) ([]byte, error) {
	file, err := root.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, generate.MaxFile+1))
	if err == nil && len(content) > generate.MaxFile {
		return nil, fmt.Errorf("it has more than %d bytes, which is too much for parameters: split it, or leave it out of the files of the generator", generate.MaxFile)
	}
	return content, err
}

// project gives the project of a set, once it permits the set's namespace and a repository. A set that makes up the project for each Application sees
// no more than what needs no project's credentials, and must be in the control namespace: of another one, nobody has said which repositories it may see.
func (l library) project(ctx context.Context, set *gitopsv1.ApplicationSet, repository string) (*gitopsv1.AppProject, error) {
	p := &gitopsv1.AppProject{}
	name := cmp.Or(set.Spec.Template.Spec.Project, gitopsv1.DefaultProject)
	if strings.Contains(name, "{{") {
		if set.Namespace != l.namespace {
			return nil, fmt.Errorf("spec.template.spec.project is %q, and decides which repositories the generators may read: name one project in it, as a set outside of the namespace %s must",
				name, l.namespace)
		}
		return p, nil
	}
	switch err := l.projects.Get(ctx, client.ObjectKey{Namespace: l.namespace, Name: name}, p); {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("project %s does not exist", name)
	case err != nil:
		return nil, fmt.Errorf("reading project %s: %w", name, err)
	case gitsync.ProjectProblem(p) != "":
		return nil, fmt.Errorf("project %s cannot be used: %s", name, gitsync.ProjectProblem(p))
	case set.Namespace != l.namespace && !gitsync.PermitsNamespace(p.Spec, set.Namespace):
		return nil, fmt.Errorf("project %s does not permit the namespace %s: add it to sourceNamespaces", name, set.Namespace)
	case !gitsync.PermitsSource(p.Spec, repository):
		return nil, fmt.Errorf("project %s does not permit the repository %s: add it to sourceRepos", name, repository)
	}
	return p, nil
}
