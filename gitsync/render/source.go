package render

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// maxOverride bounds a file of settings beside the manifests.
const maxOverride = 1 << 20

// overridden is the source with the settings that lie beside its manifests: for all Applications first, then for this one.
func (t *tree) overridden(source gitopsv1.Source, app string) (gitopsv1.Source, error) {
	for _, name := range []string{".argocd-source.yaml", ".argocd-source-" + app + ".yaml"} {
		path := filepath.Join(t.dir, name)
		if strings.ContainsRune(app, filepath.Separator) || !t.exists(path) {
			continue
		}
		text, err := t.read(path, maxOverride)
		if err == nil {
			source, err = override(source, text)
		}
		if err != nil {
			return source, fmt.Errorf("applying %s: %w", name, err)
		}
	}
	return source, nil
}

func override(source gitopsv1.Source, text []byte) (gitopsv1.Source, error) {
	patch, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return source, withoutValues(err)
	}
	if strings.TrimSpace(string(patch)) == "null" {
		return source, nil
	}
	if !strings.HasPrefix(string(patch), "{") {
		return source, errors.New("it is no object with fields of a source")
	}
	before, err := json.Marshal(source)
	if err != nil {
		return source, err
	}
	after, err := jsonpatch.MergePatch(before, patch)
	if err != nil {
		return source, err
	}
	var merged gitopsv1.Source
	if err := yaml.UnmarshalStrict(after, &merged); err != nil {
		return source, fmt.Errorf("it does not fit into a source: %w", err)
	}
	for field, same := range map[string]bool{"chart": merged.Chart == source.Chart, "path": merged.Path == source.Path, "repoURL": merged.RepoURL == source.RepoURL,
		"targetRevision": merged.TargetRevision == source.TargetRevision, "ref": merged.Ref == source.Ref, "tagPrefix": merged.TagPrefix == source.TagPrefix} {
		if !same {
			return source, fmt.Errorf("it sets %s, which only the Application may do", field)
		}
	}
	return merged, nil
}

// detect chooses the tool: an explicit block wins, then what the folder holds. The second answer is the kustomization file.
func (t *tree) detect(s gitopsv1.Source) (gitopsv1.SourceType, string, error) {
	var blocks []gitopsv1.SourceType
	for _, b := range []struct {
		kind gitopsv1.SourceType
		said bool
	}{
		{gitopsv1.SourceTypeHelm, set(s.Helm)},
		{gitopsv1.SourceTypeKustomize, set(s.Kustomize)},
		{gitopsv1.SourceTypeDirectory, set(s.Directory)},
		{gitopsv1.SourceTypePlugin, s.Plugin != nil}, // an empty one asks every plugin whether it would like to
	} {
		if b.said {
			blocks = append(blocks, b.kind)
		}
	}
	if len(blocks) > 1 {
		return "", "", fmt.Errorf("multiple application sources defined: %s; keep one of helm, kustomize, directory and plugin", join(blocks))
	}
	file := ""
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		if file == "" && t.exists(filepath.Join(t.dir, name)) {
			file = name
		}
	}
	chart := t.exists(filepath.Join(t.dir, "Chart.yaml"))
	switch {
	case len(blocks) == 1:
		return blocks[0], file, nil
	case chart || s.Chart != "":
		return gitopsv1.SourceTypeHelm, "", nil
	case file != "":
		return gitopsv1.SourceTypeKustomize, file, nil
	}
	return gitopsv1.SourceTypeDirectory, "", nil
}

// set tells whether a block says anything; an empty one does not choose a tool.
func set[T any](block *T) bool {
	var empty T
	return block != nil && !reflect.DeepEqual(*block, empty)
}

func join(kinds []gitopsv1.SourceType) string {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k))
	}
	return strings.Join(names, ",")
}
