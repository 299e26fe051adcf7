package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"path"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/forge"
	"github.com/sluice-delivery/sluice/test/stage"
)

// manifests are all that a user of Sluice would write for this app: the folder shop is what the repository holds, application.yaml what
// points at it.
//
//go:embed manifests
var manifests embed.FS

const (
	folder     = "shop"
	firstImage = imageName + "v1" // the image that rollout.yaml names
	imageName  = "sluice.example/shop:"
	anyURL     = "https://git.example/shop.git" // the repository that application.yaml names
)

// repository is where the releases are pushed to.
type repository struct {
	*forge.Copy
	stage *stage.Stage
}

// prepare makes the repository, without a commit yet, and points an Application at it.
func prepare(ctx context.Context, s *stage.Stage) (*repository, error) {
	work, err := s.Forge.Create(ctx, folder)
	if err != nil {
		return nil, err
	}
	files, err := manifests.ReadDir("manifests/" + folder)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for _, file := range files {
		name := path.Join(folder, file.Name())
		if all[name], err = manifests.ReadFile("manifests/" + name); err != nil {
			return nil, err
		}
	}
	return &repository{work, s}, work.Write(all)
}

// point makes the Application, which finds the commits from then on.
func (r *repository) point(ctx context.Context) error {
	manifest, err := replaced("manifests/application.yaml", anyURL, r.URL)
	if err != nil {
		return err
	}
	return r.stage.ApplyIn(ctx, gitopsv1.DefaultControlNamespace, manifest)
}

// push commits rollout.yaml with the image of a version and pushes it, as a developer would. It gives the commit and the moment at which the
// push was over.
func (r *repository) push(ctx context.Context, version string) (commit string, at time.Time, err error) {
	name := folder + "/rollout.yaml"
	manifest, err := replaced("manifests/"+name, firstImage, imageName+version)
	if err != nil {
		return "", at, err
	}
	if err := r.Write(map[string][]byte{name: manifest}); err != nil {
		return "", at, err
	}
	if commit, err = r.Commit(ctx, "Release "+version); err != nil {
		return "", at, err
	}
	err = r.Push(ctx)
	return commit, time.Now(), err
}

// call has the Application looked at now, as people do who do not trust it.
func (r *repository) call(ctx context.Context) error {
	app := &gitopsv1.Application{}
	app.Namespace, app.Name = gitopsv1.DefaultControlNamespace, name
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, gitopsv1.AnnotationRefresh, gitopsv1.RefreshNormal)
	return r.stage.Client.Patch(ctx, app, client.RawPatch(types.MergePatchType, []byte(patch)))
}

// replaced is a manifest in which one text, which it must hold once, is another.
func replaced(file, before, after string) ([]byte, error) {
	manifest, err := manifests.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if bytes.Count(manifest, []byte(before)) != 1 {
		return nil, errors.New(file + " does not name " + before + " once")
	}
	return bytes.Replace(manifest, []byte(before), []byte(after), 1), nil
}

// short is how people write a commit.
func short(commit string) string { return commit[:min(7, len(commit))] }
