package v1alpha1

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/utils/ptr"
)

// Defaults of optional fields, as the wire contract sets them.
const (
	DefaultTargetRevision             = "HEAD"
	DefaultRevisionHistoryLimit int64 = 10
	DefaultAutomatedRetryLimit  int64 = 5
	DefaultBackoffDuration            = 5 * time.Second
	DefaultBackoffFactor        int64 = 2
	DefaultBackoffMaxDuration         = 3 * time.Minute
	DefaultGitRequeueAfter            = 3 * time.Minute
	DefaultProviderRequeueAfter       = 30 * time.Minute
)

// MaxApplicationSetResources is how many Applications the status of an ApplicationSet lists.
const MaxApplicationSetResources = 5000

// ProjectName is the project whose rules apply to an Application; default if it names none.
func ProjectName(spec ApplicationSpec) string {
	if spec.Project == "" {
		return DefaultProject
	}
	return spec.Project
}

// SourcesOf lists where the manifests are: sources if there are any, else source. It is empty if the spec names none.
func SourcesOf(spec ApplicationSpec) []Source {
	if len(spec.Sources) > 0 {
		return spec.Sources
	}
	if spec.Source == nil {
		return nil
	}
	return []Source{*spec.Source}
}

// HasSeveralSources reports whether status speaks of revisions and sources instead of revision and source.
func HasSeveralSources(spec ApplicationSpec) bool {
	return len(spec.Sources) > 0
}

// TargetRevision is what a source asks for; HEAD if it does not say.
func TargetRevision(s Source) string {
	if s.TargetRevision == "" {
		return DefaultTargetRevision
	}
	return s.TargetRevision
}

// RevisionHistoryLimit is how many entries of status.history are kept; 10 if absent.
func RevisionHistoryLimit(spec ApplicationSpec) int64 {
	return ptr.Deref(spec.RevisionHistoryLimit, DefaultRevisionHistoryLimit)
}

// IsAutomated reports whether the Application syncs without being asked.
func IsAutomated(spec ApplicationSpec) bool {
	return spec.SyncPolicy != nil && spec.SyncPolicy.Automated != nil && ptr.Deref(spec.SyncPolicy.Automated.Enabled, true)
}

// Prunes reports whether an automated sync deletes what the repository holds no more.
func Prunes(spec ApplicationSpec) bool {
	return IsAutomated(spec) && ptr.Deref(spec.SyncPolicy.Automated.Prune, false)
}

// SelfHeals reports whether changes made in the cluster are undone without being asked.
func SelfHeals(spec ApplicationSpec) bool {
	return IsAutomated(spec) && ptr.Deref(spec.SyncPolicy.Automated.SelfHeal, false)
}

// AllowsEmpty reports whether an automated sync may delete everything.
func AllowsEmpty(spec ApplicationSpec) bool {
	return IsAutomated(spec) && ptr.Deref(spec.SyncPolicy.Automated.AllowEmpty, false)
}

// RetryOf is how often a failed sync is tried again. Where the field is absent, an automated sync has five further attempts and any other
// none; an empty field means none.
func RetryOf(spec ApplicationSpec) RetryStrategy {
	switch {
	case spec.SyncPolicy != nil && spec.SyncPolicy.Retry != nil:
		return *spec.SyncPolicy.Retry
	case IsAutomated(spec):
		return RetryStrategy{Limit: DefaultAutomatedRetryLimit}
	}
	return RetryStrategy{}
}

// SyncOptions lists the options of an Application, each as Key=value.
func SyncOptions(spec ApplicationSpec) []string {
	if spec.SyncPolicy == nil {
		return nil
	}
	return spec.SyncPolicy.SyncOptions
}

// SyncOption is the value of the first option with this key in a list of Key=value; empty if there is none. Keys are compared as they are
// written.
func SyncOption(options []string, key string) string {
	for _, option := range options {
		if name, value, ok := strings.Cut(strings.TrimSpace(option), "="); ok && name == key {
			return value
		}
	}
	return ""
}

// WarnsOfOrphans reports whether objects that no Application manages are told about; true if orphanedResources does not say.
func WarnsOfOrphans(spec AppProjectSpec) bool {
	return spec.OrphanedResources != nil && ptr.Deref(spec.OrphanedResources.Warn, true)
}

// RepoPatterns lists the globs over repository URLs that a policy is for. An entry of another shape is an error, because leaving it out
// would leave a repository without the check that somebody asked for.
func RepoPatterns(p GitIntegrityPolicy) ([]string, error) {
	var patterns []string
	for i, raw := range p.Repos {
		var text string
		if json.Unmarshal(raw.Raw, &text) == nil && text != "" {
			patterns = append(patterns, text)
			continue
		}
		var object struct {
			URL string `json:"url"`
		}
		if err := json.Unmarshal(raw.Raw, &object); err != nil || object.URL == "" {
			return nil, fmt.Errorf("repos[%d] is %s: write a glob, as text or as an object with the field url", i, raw.Raw)
		}
		patterns = append(patterns, object.URL)
	}
	return patterns, nil
}

// PreservesResources reports whether the resources of generated Applications outlive these.
func PreservesResources(spec ApplicationSetSpec) bool {
	return spec.SyncPolicy != nil && spec.SyncPolicy.PreserveResourcesOnDeletion
}

// ApplicationsSyncOf is what an ApplicationSet may do to its Applications; everything if it does not say.
func ApplicationsSyncOf(spec ApplicationSetSpec) ApplicationsSync {
	if spec.SyncPolicy == nil {
		return ApplicationsSyncAll
	}
	return ptr.Deref(spec.SyncPolicy.ApplicationsSync, ApplicationsSyncAll)
}

// IsRolling reports whether an ApplicationSet syncs its Applications step by step.
func IsRolling(spec ApplicationSetSpec) bool {
	return spec.Strategy != nil && spec.Strategy.Type == StrategyRollingSync && spec.Strategy.RollingSync != nil
}

// DeletesInReverse reports whether Applications are deleted in the reverse order of the steps.
func DeletesInReverse(spec ApplicationSetSpec) bool {
	return IsRolling(spec) && spec.Strategy.DeletionOrder == DeletionOrderReverse
}
