package render

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/yaml"
)

const maxKustomization = 1 << 20

// editKustomization gives the text of a kustomization after the options of a source were written into it, as people would with kustomize edit.
func (t *tree) editKustomization(options gitopsv1.KustomizeSource, file string, env *environment, made *collection) ([]byte, error) {
	if options.Version != "" {
		return nil, fmt.Errorf("version %q cannot be chosen: there is one version of kustomize, the one that is built in; remove the field", options.Version)
	}
	text, err := t.read(filepath.Join(t.dir, file), maxKustomization)
	if err != nil {
		return nil, err
	}
	var k types.Kustomization
	if err := k.Unmarshal(text); err != nil {
		return nil, err
	}
	k.FixKustomization()
	if options.NamePrefix != "" {
		k.NamePrefix = options.NamePrefix
	}
	if options.NameSuffix != "" {
		k.NameSuffix = options.NameSuffix
	}
	if options.Namespace != "" {
		k.Namespace = options.Namespace
	}
	for _, edit := range []func() error{
		func() error { return setImages(&k, options.Images) },
		func() error { return setReplicas(&k, options.Replicas) },
		func() error { return addLabels(&k, options, env) },
		func() error { return addAnnotations(&k, options, env) },
		func() error { return t.addComponents(&k, options, made) },
	} {
		if err := edit(); err != nil {
			return nil, err
		}
	}
	for _, p := range options.Patches {
		k.Patches = append(k.Patches, patch(p))
	}
	return yaml.Marshal(k)
}

var imagePattern = regexp.MustCompile(`^(?:([^=]+)=)?(.*?)(?::([^/:@]*))?(?:@(.+))?$`)

// setImages writes images of the form [old=]name[:tag][@digest]; a star for the new name or tag keeps the one in the kustomization.
func setImages(k *types.Kustomization, images []string) error {
	for _, text := range images {
		m := imagePattern.FindStringSubmatch(text)
		if m == nil || strings.Contains(m[2], "=") || m[1] == "" && m[2] == "" || m[2] == "" && m[3] == "" && m[4] == "" {
			return fmt.Errorf("images holds %q, which is not of the form [old=]name[:tag][@digest]", text)
		}
		image := types.Image{Name: m[1], NewName: m[2], NewTag: m[3], Digest: m[4]}
		if image.Name == "" {
			image.Name, image.NewName = m[2], ""
		}
		k.Images = replaced(k.Images, image)
	}
	return nil
}

// replaced is a list with an image in the place of the one of that name.
func replaced(images []types.Image, image types.Image) []types.Image {
	before := types.Image{}
	if at := slices.IndexFunc(images, func(i types.Image) bool { return i.Name == image.Name }); at >= 0 {
		before = images[at]
		images = slices.Delete(images, at, at+1)
	}
	if image.NewName == "*" {
		image.NewName = before.NewName
	}
	if image.NewTag == "*" {
		image.NewTag = before.NewTag
		if image.Digest == "" {
			image.Digest = before.Digest
		}
	}
	return append(images, image)
}

func setReplicas(k *types.Kustomization, replicas []gitopsv1.KustomizeReplica) error {
	for _, r := range replicas {
		count := int64(r.Count.IntValue())
		if count < 0 || r.Count.String() != fmt.Sprint(count) {
			return fmt.Errorf("replicas of %s is %q; write a number that is not negative", r.Name, r.Count.String())
		}
		k.Replicas = slices.DeleteFunc(k.Replicas, func(old types.Replica) bool { return old.Name == r.Name })
		k.Replicas = append(k.Replicas, types.Replica{Name: r.Name, Count: count})
	}
	return nil
}

func addLabels(k *types.Kustomization, options gitopsv1.KustomizeSource, env *environment) error {
	if options.LabelIncludeTemplates && !options.LabelWithoutSelector {
		return errors.New("labelIncludeTemplates needs labelWithoutSelector: labels that go into selectors are in templates anyway")
	}
	if len(options.CommonLabels) == 0 {
		return nil
	}
	labels, err := expanded(options.CommonLabels, env, "commonLabels")
	if err != nil {
		return err
	}
	if !options.LabelWithoutSelector {
		k.CommonLabels, err = merged(k.CommonLabels, labels, options.ForceCommonLabels, "commonLabels") //nolint:staticcheck // deprecated for people, and still what the option means
		return err
	}
	at := slices.IndexFunc(k.Labels, func(l types.Label) bool {
		return !l.IncludeSelectors && l.IncludeTemplates == options.LabelIncludeTemplates && len(l.FieldSpecs) == 0
	})
	if at < 0 {
		k.Labels = append(k.Labels, types.Label{IncludeTemplates: options.LabelIncludeTemplates})
		at = len(k.Labels) - 1
	}
	k.Labels[at].Pairs, err = merged(k.Labels[at].Pairs, labels, options.ForceCommonLabels, "commonLabels")
	return err
}

func addAnnotations(k *types.Kustomization, options gitopsv1.KustomizeSource, env *environment) error {
	annotations := options.CommonAnnotations
	if options.CommonAnnotationsEnvsubst {
		var err error
		if annotations, err = expanded(annotations, env, "commonAnnotations"); err != nil {
			return err
		}
	}
	var err error
	k.CommonAnnotations, err = merged(k.CommonAnnotations, annotations, options.ForceCommonAnnotations, "commonAnnotations")
	return err
}

func expanded(in map[string]string, env *environment, field string) (map[string]string, error) {
	out := map[string]string{}
	for name, value := range in {
		var err error
		if out[name], err = env.expand(value); err != nil {
			return nil, fmt.Errorf("%s, %s: %w", field, name, err)
		}
	}
	return out, nil
}

// merged adds pairs; one that is there with another value needs force.
func merged(have, add map[string]string, force bool, field string) (map[string]string, error) {
	for name, value := range add {
		if old, there := have[name]; there && old != value && !force {
			return nil, fmt.Errorf("%s sets %s, which the kustomization sets to another value; set forceC%s if it should win", field, name, strings.TrimPrefix(field, "c"))
		}
	}
	if len(add) == 0 {
		return have, nil
	}
	all := maps.Clone(have)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, add)
	return all, nil
}

func (t *tree) addComponents(k *types.Kustomization, options gitopsv1.KustomizeSource, made *collection) error {
	for _, c := range options.Components {
		if !t.exists(filepath.Join(t.dir, c)) {
			if !options.IgnoreMissingComponents {
				return fmt.Errorf("components holds %q, which does not exist in the repository; ignoreMissingComponents would leave it out", c)
			}
			made.warn("component %s was left out, because it does not exist", c)
			continue
		}
		if !slices.Contains(k.Components, c) {
			k.Components = append(k.Components, c)
		}
	}
	return nil
}

func patch(p gitopsv1.KustomizePatch) types.Patch {
	out := types.Patch{Path: p.Path, Patch: p.Patch}
	if len(p.Options) > 0 {
		out.Options = &types.PatchArgs{AllowNameChange: p.Options["allowNameChange"], AllowKindChange: p.Options["allowKindChange"]}
	}
	if s := p.Target; s != nil {
		out.Target = &types.Selector{
			ResId:              resid.ResId{Gvk: resid.Gvk{Group: s.Group, Version: s.Version, Kind: s.Kind}, Name: s.Name, Namespace: s.Namespace},
			AnnotationSelector: s.AnnotationSelector, LabelSelector: s.LabelSelector,
		}
	}
	return out
}
