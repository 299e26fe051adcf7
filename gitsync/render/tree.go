package render

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// tree is a folder inside a checkout; both paths are free of links.
type tree struct{ root, dir string }

func openTree(root, path string) (tree, error) {
	if strings.ContainsRune(path, 0) || filepath.IsAbs(path) || !filepath.IsLocal(filepath.Clean(path+"/.")) && path != "" {
		return tree{}, fmt.Errorf("path %.200q does not lie in the repository", path)
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return tree{}, fmt.Errorf("opening the checkout: %w", err)
	}
	t := tree{root: real}
	if t.dir, err = t.inside(filepath.Join(real, path)); err != nil {
		return tree{}, fmt.Errorf("path %.200q cannot be used: %w", path, err)
	}
	if info, err := os.Stat(t.dir); err != nil || !info.IsDir() {
		return tree{}, fmt.Errorf("path %.200q is no folder of the repository", path)
	}
	return t, nil
}

// inside follows the links of a path and refuses one that leads out of the repository. It keeps the error of a path that does not exist.
func (t tree) inside(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	if real != t.root && !strings.HasPrefix(real, t.root+string(filepath.Separator)) {
		return "", fmt.Errorf("it leads out of the repository")
	}
	return real, nil
}

// detect chooses the tool: an explicit block wins, then what the folder holds.
func (t tree) detect(s gitopsv1.Source) (gitopsv1.SourceType, string, error) {
	var blocks []gitopsv1.SourceType
	for kind, set := range map[gitopsv1.SourceType]bool{gitopsv1.SourceTypeHelm: s.Helm != nil, gitopsv1.SourceTypeKustomize: s.Kustomize != nil,
		gitopsv1.SourceTypeDirectory: s.Directory != nil, gitopsv1.SourceTypePlugin: s.Plugin != nil} {
		if set {
			blocks = append(blocks, kind)
		}
	}
	if len(blocks) > 1 {
		return "", "", fmt.Errorf("the source sets more than one of helm, kustomize, directory and plugin; keep one")
	}
	if found, _ := filepath.Glob(filepath.Join(t.dir, ".argocd-source*.yaml")); len(found) > 0 {
		return "", "", fmt.Errorf("%s cannot be used yet; write its settings into the source of the Application", filepath.Base(found[0]))
	}
	file := ""
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		if _, err := os.Lstat(filepath.Join(t.dir, name)); err == nil {
			file = name
			break
		}
	}
	_, chart := os.Lstat(filepath.Join(t.dir, "Chart.yaml"))
	switch {
	case len(blocks) == 1:
		return blocks[0], file, nil
	case chart == nil:
		return gitopsv1.SourceTypeHelm, "", nil
	case file != "":
		return gitopsv1.SourceTypeKustomize, file, nil
	}
	return gitopsv1.SourceTypeDirectory, "", nil
}
