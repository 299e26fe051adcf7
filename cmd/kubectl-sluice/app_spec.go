package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/intstr"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// specFlags are the flags that stand for fields of a spec.
type specFlags struct {
	project, repo, path, revision, chart, ref              string
	server, cluster, namespace                             string
	policy                                                 string
	prune, selfHeal, allowEmpty                            bool
	options                                                []string
	position                                               int
	release, valuesFile                                    string
	values, parameters, texts, fileParameters              []string
	images, commonLabels, commonAnnotations, replicas      []string
	namePrefix, nameSuffix, kustomizeNamespace             string
	recurse, skipCrds, skipTests, skipSchema, missingFiles bool
	include, exclude                                       string
	history, retries                                       int64
}

func (o *specFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	for name, flag := range map[string]struct {
		to   *string
		help string
	}{
		"project":             {&o.project, "Project whose rules apply"},
		"repo":                {&o.repo, "Address of the repository"},
		"path":                {&o.path, "Folder in the repository"},
		"revision":            {&o.revision, "Branch, tag, commit or version constraint"},
		"helm-chart":          {&o.chart, "Chart of a Helm repository, instead of a path"},
		"ref":                 {&o.ref, "Name under which other sources reach the files of this one"},
		"dest-server":         {&o.server, "Destination cluster, by the address of its API server"},
		"dest-name":           {&o.cluster, "Destination cluster, by name"},
		"dest-namespace":      {&o.namespace, "Namespace of objects that name none"},
		"sync-policy":         {&o.policy, "automated or none"},
		"release-name":        {&o.release, "Name of the Helm release"},
		"values-literal-file": {&o.valuesFile, "File here whose text becomes the Helm values"},
		"nameprefix":          {&o.namePrefix, "Kustomize: what all names begin with"},
		"namesuffix":          {&o.nameSuffix, "Kustomize: what all names end with"},
		"kustomize-namespace": {&o.kustomizeNamespace, "Kustomize: namespace of all objects"},
		"directory-include":   {&o.include, "Glob over the files that are taken"},
		"directory-exclude":   {&o.exclude, "Glob over the files that are left out"},
	} {
		f.StringVar(flag.to, name, "", flag.help)
	}
	for name, flag := range map[string]struct {
		to   *bool
		help string
	}{
		"auto-prune":                  {&o.prune, "Automated sync deletes what is not in Git any more"},
		"self-heal":                   {&o.selfHeal, "Automated sync undoes changes that were made in the cluster"},
		"allow-empty":                 {&o.allowEmpty, "Automated sync may delete everything"},
		"directory-recurse":           {&o.recurse, "Take the folders below as well"},
		"helm-skip-crds":              {&o.skipCrds, "Leave out the CRDs of the chart"},
		"helm-skip-tests":             {&o.skipTests, "Leave out the tests of the chart"},
		"helm-skip-schema-validation": {&o.skipSchema, "Do not hold the values against the schema of the chart"},
		"ignore-missing-value-files":  {&o.missingFiles, "Go on without value files that do not exist"},
	} {
		f.BoolVar(flag.to, name, false, flag.help)
	}
	f.StringArrayVar(&o.options, "sync-option", nil, "Sync option KEY=VALUE; with a leading ! it is taken away; may be repeated")
	f.StringArrayVar(&o.values, "values", nil, "Helm value file in the repository; may be repeated")
	f.StringArrayVarP(&o.parameters, "helm-set", "p", nil, "Helm value as KEY=VALUE, which --parameter sets too; may be repeated")
	f.StringArrayVar(&o.texts, "helm-set-string", nil, "Helm value that stays a text, as KEY=VALUE; may be repeated")
	f.StringArrayVar(&o.fileParameters, "helm-set-file", nil, "Helm value from a file of the repository, as KEY=PATH; may be repeated")
	f.StringArrayVar(&o.images, "kustomize-image", nil, "Kustomize image as [OLD=]NAME[:TAG|@DIGEST]; may be repeated")
	f.StringArrayVar(&o.commonLabels, "kustomize-common-label", nil, "Kustomize label as KEY=VALUE; may be repeated")
	f.StringArrayVar(&o.commonAnnotations, "kustomize-common-annotation", nil, "Kustomize annotation as KEY=VALUE; may be repeated")
	f.StringArrayVar(&o.replicas, "kustomize-replica", nil, "Kustomize replicas as NAME=COUNT; may be repeated")
	f.Int64Var(&o.history, "revision-history-limit", gitopsv1.DefaultRevisionHistoryLimit, "Entries of the history that are kept")
	f.Int64Var(&o.retries, "sync-retry-limit", 0, "Further attempts after a failed sync; none if 0, without end if negative")
	f.IntVar(&o.position, "source-position", 0, "Which of several sources is meant, counted from 1")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "parameter" {
			name = "helm-set"
		}
		return pflag.NormalizedName(name)
	})
}

// change gives an Application what the flags say that were given.
func (o *specFlags) change(cmd *cobra.Command, app *gitopsv1.Application) error {
	given := cmd.Flags().Changed
	spec := &app.Spec
	set(given("project"), &spec.Project, o.project)
	set(given("dest-namespace"), &spec.Destination.Namespace, o.namespace)
	if given("dest-server") && given("dest-name") {
		return errors.New("--dest-server and --dest-name both name the cluster: give one of them")
	}
	if given("dest-server") || given("dest-name") {
		spec.Destination.Server, spec.Destination.Name = o.server, o.cluster
	}
	if given("revision-history-limit") {
		spec.RevisionHistoryLimit = &o.history
	}
	if err := o.changePolicy(given, spec); err != nil {
		return err
	}
	if !o.names(given) {
		return nil
	}
	source, err := o.source(spec)
	if err != nil {
		return err
	}
	return o.changeSource(given, source)
}

func set[T any](given bool, field *T, value T) {
	if given {
		*field = value
	}
}

// sourceFlags are those that speak of a source.
var sourceFlags = []string{"repo", "path", "revision", "helm-chart", "ref", "release-name", "values-literal-file", "nameprefix", "namesuffix", "kustomize-namespace",
	"directory-include", "directory-exclude", "directory-recurse", "helm-skip-crds", "helm-skip-tests", "helm-skip-schema-validation", "ignore-missing-value-files",
	"values", "helm-set", "helm-set-string", "helm-set-file", "kustomize-image", "kustomize-common-label", "kustomize-common-annotation", "kustomize-replica"}

func (o *specFlags) names(given func(string) bool) bool {
	return slices.ContainsFunc(sourceFlags, given)
}

func (o *specFlags) source(spec *gitopsv1.ApplicationSpec) (*gitopsv1.Source, error) {
	n := len(spec.Sources)
	switch {
	case n > 0 && o.position == 0 && n > 1:
		return nil, fmt.Errorf("the Application has %d sources: say which one with --source-position", n)
	case n > 0 && o.position > n, o.position < 0, n == 0 && o.position > 1:
		return nil, fmt.Errorf("the Application has no source %d", o.position)
	case n > 0:
		return &spec.Sources[max(o.position, 1)-1], nil
	case spec.Source == nil:
		spec.Source = &gitopsv1.Source{}
	}
	return spec.Source, nil
}

func (o *specFlags) changePolicy(given func(string) bool, spec *gitopsv1.ApplicationSpec) error {
	if !slices.ContainsFunc([]string{"sync-policy", "auto-prune", "self-heal", "allow-empty", "sync-option", "sync-retry-limit"}, given) {
		return nil
	}
	if spec.SyncPolicy == nil {
		spec.SyncPolicy = &gitopsv1.SyncPolicy{}
	}
	if given("sync-policy") {
		if err := o.switchPolicy(spec); err != nil {
			return err
		}
	}
	for name, field := range map[string]func(*gitopsv1.AutomatedSync){
		"auto-prune":  func(a *gitopsv1.AutomatedSync) { a.Prune = &o.prune },
		"self-heal":   func(a *gitopsv1.AutomatedSync) { a.SelfHeal = &o.selfHeal },
		"allow-empty": func(a *gitopsv1.AutomatedSync) { a.AllowEmpty = &o.allowEmpty },
	} {
		if !given(name) {
			continue
		}
		if spec.SyncPolicy.Automated == nil {
			return fmt.Errorf("--%s says how automated sync works, which is off: add --sync-policy automated", name)
		}
		field(spec.SyncPolicy.Automated)
	}
	if given("sync-retry-limit") {
		if spec.SyncPolicy.Retry == nil {
			spec.SyncPolicy.Retry = &gitopsv1.RetryStrategy{}
		}
		spec.SyncPolicy.Retry.Limit = o.retries
	}
	return o.changeOptions(spec.SyncPolicy)
}

func (o *specFlags) switchPolicy(spec *gitopsv1.ApplicationSpec) error {
	switch o.policy {
	case "none", "manual":
		spec.SyncPolicy.Automated = nil
	case "automated", "auto":
		if spec.SyncPolicy.Automated == nil {
			spec.SyncPolicy.Automated = &gitopsv1.AutomatedSync{}
		}
		spec.SyncPolicy.Automated.Enabled = nil
	default:
		return fmt.Errorf("--sync-policy %q: choose automated or none", o.policy)
	}
	return nil
}

func (o *specFlags) changeOptions(policy *gitopsv1.SyncPolicy) error {
	for _, option := range o.options {
		option, gone := strings.CutPrefix(option, "!")
		key, _, _ := strings.Cut(option, "=")
		if !gone && !strings.Contains(option, "=") {
			return fmt.Errorf("--sync-option %q is not KEY=VALUE", option)
		}
		policy.SyncOptions = slices.DeleteFunc(policy.SyncOptions, func(one string) bool { return one == option || strings.HasPrefix(one, key+"=") })
		if !gone {
			policy.SyncOptions = append(policy.SyncOptions, option)
		}
	}
	return nil
}

func (o *specFlags) changeSource(given func(string) bool, s *gitopsv1.Source) error {
	set(given("repo"), &s.RepoURL, o.repo)
	set(given("path"), &s.Path, o.path)
	set(given("revision"), &s.TargetRevision, o.revision)
	set(given("helm-chart"), &s.Chart, o.chart)
	set(given("ref"), &s.Ref, o.ref)
	if given("directory-recurse") || given("directory-include") || given("directory-exclude") {
		if s.Directory == nil {
			s.Directory = &gitopsv1.DirectorySource{}
		}
		set(given("directory-recurse"), &s.Directory.Recurse, o.recurse)
		set(given("directory-include"), &s.Directory.Include, o.include)
		set(given("directory-exclude"), &s.Directory.Exclude, o.exclude)
	}
	return errors.Join(o.changeHelm(given, s), o.changeKustomize(given, s))
}

func (o *specFlags) changeHelm(given func(string) bool, s *gitopsv1.Source) error {
	if !slices.ContainsFunc([]string{"release-name", "values-literal-file", "values", "helm-set", "helm-set-string", "helm-set-file", "helm-skip-crds", "helm-skip-tests",
		"helm-skip-schema-validation", "ignore-missing-value-files"}, given) {
		return nil
	}
	if s.Helm == nil {
		s.Helm = &gitopsv1.HelmSource{}
	}
	h := s.Helm
	set(given("release-name"), &h.ReleaseName, o.release)
	set(given("values"), &h.ValueFiles, o.values)
	set(given("helm-skip-crds"), &h.SkipCrds, o.skipCrds)
	set(given("helm-skip-tests"), &h.SkipTests, o.skipTests)
	set(given("helm-skip-schema-validation"), &h.SkipSchemaValidation, o.skipSchema)
	set(given("ignore-missing-value-files"), &h.IgnoreMissingValueFiles, o.missingFiles)
	if given("values-literal-file") {
		text, err := os.ReadFile(o.valuesFile)
		if err != nil {
			return fmt.Errorf("reading --values-literal-file: %w", err)
		}
		h.Values, h.ValuesObject = string(text), nil
	}
	return o.changeParameters(h)
}

func (o *specFlags) changeParameters(h *gitopsv1.HelmSource) error {
	for _, list := range []struct {
		flag  string
		pairs []string
		force bool
	}{{"--helm-set", o.parameters, false}, {"--helm-set-string", o.texts, true}} {
		for _, pair := range list.pairs {
			name, value, found := strings.Cut(pair, "=")
			if !found || name == "" {
				return fmt.Errorf("%s %q is not KEY=VALUE", list.flag, pair)
			}
			h.Parameters = slices.DeleteFunc(h.Parameters, func(p gitopsv1.HelmParameter) bool { return p.Name == name })
			h.Parameters = append(h.Parameters, gitopsv1.HelmParameter{Name: name, Value: value, ForceString: list.force})
		}
	}
	for _, pair := range o.fileParameters {
		name, path, found := strings.Cut(pair, "=")
		if !found || name == "" || path == "" {
			return fmt.Errorf("--helm-set-file %q is not KEY=PATH", pair)
		}
		h.FileParameters = slices.DeleteFunc(h.FileParameters, func(p gitopsv1.HelmFileParameter) bool { return p.Name == name })
		h.FileParameters = append(h.FileParameters, gitopsv1.HelmFileParameter{Name: name, Path: path})
	}
	return nil
}

func (o *specFlags) changeKustomize(given func(string) bool, s *gitopsv1.Source) error {
	if !slices.ContainsFunc([]string{"kustomize-image", "kustomize-common-label", "kustomize-common-annotation", "kustomize-replica", "nameprefix", "namesuffix",
		"kustomize-namespace"}, given) {
		return nil
	}
	if s.Kustomize == nil {
		s.Kustomize = &gitopsv1.KustomizeSource{}
	}
	k := s.Kustomize
	set(given("nameprefix"), &k.NamePrefix, o.namePrefix)
	set(given("namesuffix"), &k.NameSuffix, o.nameSuffix)
	set(given("kustomize-namespace"), &k.Namespace, o.kustomizeNamespace)
	for _, image := range o.images {
		k.Images = slices.DeleteFunc(k.Images, func(one string) bool { return imageName(one) == imageName(image) })
		k.Images = append(k.Images, image)
	}
	for _, pair := range o.replicas {
		name, count, found := strings.Cut(pair, "=")
		n, err := strconv.ParseInt(count, 10, 32)
		if !found || name == "" || err != nil {
			return fmt.Errorf("--kustomize-replica %q is not NAME=COUNT", pair)
		}
		k.Replicas = slices.DeleteFunc(k.Replicas, func(r gitopsv1.KustomizeReplica) bool { return r.Name == name })
		k.Replicas = append(k.Replicas, gitopsv1.KustomizeReplica{Name: name, Count: intstr.FromInt32(int32(n))})
	}
	var err error
	if k.CommonLabels, err = withPairs(k.CommonLabels, o.commonLabels, "--kustomize-common-label"); err != nil {
		return err
	}
	k.CommonAnnotations, err = withPairs(k.CommonAnnotations, o.commonAnnotations, "--kustomize-common-annotation")
	return err
}

// imageName is what an image override is for: the name in front of =, else the image without tag and digest.
func imageName(override string) string {
	if name, _, found := strings.Cut(override, "="); found {
		return name
	}
	name, _, _ := strings.Cut(override, "@")
	if at := strings.LastIndex(name, ":"); at > strings.LastIndex(name, "/") {
		name = name[:at]
	}
	return name
}

// withPairs adds KEY=VALUE pairs to a map.
func withPairs(to map[string]string, pairs []string, flag string) (map[string]string, error) {
	for _, pair := range pairs {
		key, value, found := strings.Cut(pair, "=")
		if !found || key == "" {
			return to, fmt.Errorf("%s %q is not KEY=VALUE", flag, pair)
		}
		if to == nil {
			to = map[string]string{}
		}
		to[key] = value
	}
	return to, nil
}
