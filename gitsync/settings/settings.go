package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/glob"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/health"
	"github.com/sluice-delivery/sluice/gitsync/health/action"
)

// Settings are what the ConfigMap says about objects.
type Settings struct {
	gitsync.Settings
	Health health.Custom
	// Actions are the actions of teams, as YAML, by the kinds as in health.Custom.
	Actions map[string]string
	// Problems are sentences about settings that are not followed.
	Problems []string
}

// Keys of the ConfigMap.
const (
	keyCustomizations = "resource.customizations"
	keyExclusions     = "resource.exclusions"
	keyInclusions     = "resource.inclusions"
	keyPoll           = "timeout.reconciliation"
	keyPollJitter     = "timeout.reconciliation.jitter"
	// keyRules starts the keys of our own rules, which no other program reads.
	keyRules = "sluice.health."
)

// everything stands for all kinds in the keys of some settings.
const everything = "all"

// Read reads the data of the ConfigMap. The same data give the same settings.
func Read(data map[string]string) Settings {
	r := &reader{Settings: Settings{
		Health:  health.Custom{Lua: map[string]string{}, Rules: map[string]string{}},
		Actions: map[string]string{},
	}}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		r.read(key, data[key])
	}
	r.pollsAs(data)
	r.Problems = append(r.Problems, refused(data)...)
	return r.Settings
}

type reader struct{ Settings }

func (r *reader) problem(key, format string, args ...any) {
	r.Problems = append(r.Problems, key+": "+fmt.Sprintf(format, args...))
}

func (r *reader) read(key, value string) {
	switch {
	case key == keyCustomizations:
		r.readAll(key, value)
	case key == keyExclusions:
		r.Exclusions = r.filters(key, value)
	case key == keyInclusions:
		r.Inclusions = r.filters(key, value)
	case strings.HasPrefix(key, keyRules):
		r.Health.Rules[kindsOf(strings.TrimPrefix(key, keyRules))] = value
	case strings.HasPrefix(key, keyCustomizations+"."):
		about, kinds, found := strings.Cut(strings.TrimPrefix(key, keyCustomizations+"."), ".")
		if !found || kinds == "" {
			r.problem(key, "it names no kind; write %s.<what>.<group>_<Kind>", keyCustomizations)
			return
		}
		r.customize(key, about, kindsOf(kinds), value)
	}
}

// leastPoll is the shortest time between two questions to a repository that may be asked for.
const leastPoll = time.Second

// pollsAs reads how often repositories are asked; half as much later at most if that is not said.
func (r *reader) pollsAs(data map[string]string) {
	every, said := r.time(data, keyPoll)
	if !said {
		return
	}
	if every > 0 && every < leastPoll {
		r.problem(keyPoll, "%s is too short: it must be at least %s, or 0 to ask only when somebody tells of a change", every, leastPoll)
		return
	}
	jitter, said := r.time(data, keyPollJitter)
	if !said {
		jitter = every / 2
	}
	r.Poll = &gitsync.Interval{Every: every, Jitter: jitter}
}

// time reads a setting that is a time; one that cannot be read counts as not said.
func (r *reader) time(data map[string]string, key string) (value time.Duration, said bool) {
	text := strings.TrimSpace(data[key])
	if text == "" {
		return 0, false
	}
	value, err := time.ParseDuration(text)
	if err != nil || value < 0 {
		r.problem(key, "%.40q is no time such as 180s", text)
		return 0, false
	}
	return value, true
}

// kindsOf gives group/Kind for the group_Kind of a key; a kind of the core group stands alone.
func kindsOf(name string) string {
	group, kind, found := strings.Cut(name, "_")
	if !found {
		return name
	}
	return group + "/" + kind
}

// customize takes one setting about some kinds.
func (r *reader) customize(key, about, kinds, value string) {
	if err := globs([]string{kinds}); err != nil {
		r.problem(key, "%s", err)
		return
	}
	switch about {
	case "health", "health.lua":
		r.Health.Lua[kinds] = value
	case "actions":
		r.act(key, kinds, value)
	case "ignoreDifferences":
		r.ignore(key, kinds, value)
	case "useOpenLibs", "health.lua.useOpenLibs":
		// Scripts always have all libraries that are safe, and never the others.
	case "ignoreResourceUpdates", "knownTypeFields":
		// What they save or help is not done here: a comparison is asked of the server, and a change of a status costs no rendering.
	default:
		r.problem(key, "%q can be set for no kind; there are health, actions, ignoreDifferences, ignoreResourceUpdates, knownTypeFields and useOpenLibs", about)
	}
}

func (r *reader) act(key, kinds, value string) {
	if strings.Contains(kinds, "*") {
		r.problem(key, "actions are for one kind, and %s is a pattern", kinds)
		return
	}
	if err := action.Check(value); err != nil {
		r.problem(key, "%s", firstLine(err))
		return
	}
	r.Actions[kinds] = value
}

func (r *reader) ignore(key, kinds, value string) {
	group, kind := "*", "*"
	if kinds != everything {
		var found bool
		if group, kind, found = strings.Cut(kinds, "/"); !found {
			group, kind = "", kinds
		}
	}
	var rule gitopsv1.IgnoreDifference
	if err := yaml.UnmarshalStrict([]byte(value), &rule); err != nil {
		r.problem(key, "it must be YAML with jsonPointers, jqPathExpressions or managedFieldsManagers: %s", firstLine(err))
		r.Unclear = append(r.Unclear, gitsync.Unclear{Group: group, Kind: kind, Why: r.Problems[len(r.Problems)-1]})
		return
	}
	rule.Group, rule.Kind = group, kind
	r.Ignore = append(r.Ignore, rule)
}

func (r *reader) filters(key, value string) []gitsync.ResourceFilter {
	var filters []gitsync.ResourceFilter
	if err := yaml.UnmarshalStrict([]byte(value), &filters); err != nil {
		r.problem(key, "it must be a list of {apiGroups, kinds, clusters}: %s", firstLine(err))
		return nil
	}
	for _, f := range filters {
		if err := globs(slices.Concat(f.APIGroups, f.Kinds, f.Clusters)); err != nil {
			r.problem(key, "%s", err)
		}
	}
	return filters
}

// globs says which pattern is none.
func globs(patterns []string) error {
	for _, p := range patterns {
		if _, err := glob.Compile(p); err != nil {
			return fmt.Errorf("%q is no pattern: %s", p, firstLine(err))
		}
	}
	return nil
}

// readAll reads the older form, in which one key holds the settings about all kinds, and the only one in which kinds may have a *.
func (r *reader) readAll(key, value string) {
	var all map[string]map[string]any
	if err := yaml.Unmarshal([]byte(value), &all); err != nil {
		r.problem(key, "it must be a map from group/Kind to settings: %s", firstLine(err))
		return
	}
	for _, kinds := range slices.Sorted(maps.Keys(all)) {
		for _, about := range slices.Sorted(maps.Keys(all[kinds])) {
			place := key + "[" + kinds + "]." + about
			switch setting := all[kinds][about].(type) {
			case string:
				r.customize(place, about, kinds, setting)
			case bool:
				r.customize(place, about, kinds, "")
			default:
				text, err := yaml.Marshal(setting)
				if err != nil {
					r.problem(place, "it cannot be read: %s", firstLine(err))
					continue
				}
				r.customize(place, about, kinds, string(text))
			}
		}
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// standards are settings that can say nothing but what holds anyway.
var standards = map[string][]string{
	"application.resourceTrackingMethod":  {"annotation", "annotation+label"},
	"application.instanceLabelKey":        {gitopsv1.LabelInstance},
	"resource.sensitive.mask.annotations": {""},
	"resource.customLabels":               {""},
	"installationID":                      {""},
}

// unbuilt are settings that are not followed, by the start of their keys, and what to do instead.
var unbuilt = map[string]string{
	"kustomize.buildOptions":          "put what a kustomization needs below its own folder or into components, and remove the key",
	"kustomize.path.":                 "there is one kustomize, which is part of the controller; remove the key",
	"kustomize.version.":              "there is one kustomize, which is part of the controller; remove the key",
	"configManagementPlugins":         "render their output into the repository, and remove the key",
	"resource.respectRBAC":            "only kinds that an Application names are watched; give the right to list those, and remove the key",
	"controller.sync.timeout.seconds": "end a sync that takes too long with the Application's operation, and remove the key",
}

// refused tells of settings that ask for something that is not built.
func refused(data map[string]string) (problems []string) {
	for _, key := range slices.Sorted(maps.Keys(data)) {
		for _, start := range slices.Sorted(maps.Keys(unbuilt)) {
			if strings.HasPrefix(key, start) && strings.TrimSpace(data[key]) != "" {
				problems = append(problems, fmt.Sprintf("%s: it is not built: %s", key, unbuilt[start]))
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(standards)) {
		if value, set := data[key]; set && !slices.Contains(standards[key], strings.TrimSpace(value)) {
			problems = append(problems, fmt.Sprintf("%s: %q is not built, what holds is %q; remove the key", key, value, standards[key][0]))
		}
	}
	var options struct {
		IgnoreResourceStatusField string `json:"ignoreResourceStatusField"`
	}
	const key = "resource.compareoptions"
	if err := yaml.Unmarshal([]byte(data[key]), &options); err != nil {
		return append(problems, key+": it must be YAML: "+firstLine(err))
	}
	if field := options.IgnoreResourceStatusField; field != "" && field != everything {
		problems = append(problems, fmt.Sprintf("%s: ignoreResourceStatusField %q is not built, what holds is %q; remove it", key, field, everything))
	}
	return problems
}
