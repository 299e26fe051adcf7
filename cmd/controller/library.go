package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/generate"
	"github.com/sluice-delivery/sluice/gitsync/source"
)

// library answers what generators ask of Git repositories.
type library struct{ repositories *source.Repositories }

// Answer looks into the commit that the question is about.
func (l library) Answer(ctx context.Context, set *gitopsv1.ApplicationSet, q generate.Question, fresh bool) (generate.Answer, error) {
	if q.About != generate.AboutTree && q.About != generate.AboutFile {
		return generate.Answer{}, fmt.Errorf("generators of this kind cannot be used yet: it asks for %s", q.About)
	}
	project := &gitopsv1.AppProject{}
	project.Name = set.Spec.Template.Spec.Project
	want := gitsync.Want{Project: project, Source: gitopsv1.Source{RepoURL: q.Repository, TargetRevision: q.Revision}, Fresh: fresh}
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
		answer.Content, err = root.ReadFile(q.Path)
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
