package settings

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/health"
)

func TestSettingsAreReadInBothForms(t *testing.T) {
	got := Read(map[string]string{
		"resource.customizations": `
"*.example.org/*":
  health.lua: return {status = "Healthy"}
  health.lua.useOpenLibs: true
apps/Deployment:
  ignoreDifferences: |
    jsonPointers: [/spec/replicas]
  ignoreResourceUpdates: |
    jsonPointers: [/status]
  knownTypeFields:
  - field: spec.resources
    type: core/v1/ResourceRequirements
Service:
  actions: |
    definitions: []
`,
		"resource.customizations.health.example.com_Widget":          `return {status = "Degraded"}`,
		"resource.customizations.health.Service":                     `return {status = "Healthy"}`,
		"resource.customizations.useOpenLibs.example.com_Widget":     "true",
		"resource.customizations.actions.example.com_Widget":         "definitions: []",
		"resource.customizations.ignoreDifferences.all":              "managedFieldsManagers: [kube-controller-manager]",
		"resource.customizations.ignoreDifferences.Service":          "jqPathExpressions: ['.spec.ports[] | .nodePort']",
		"resource.customizations.ignoreResourceUpdates.all":          "jsonPointers: [/status]",
		"resource.customizations.knownTypeFields.example.com_Widget": "- {field: spec.cpu, type: core/Quantity}",
		"sluice.health.example.com_Gadget":                           "- {is: Healthy}",
		"resource.exclusions":                                        "- {apiGroups: [cilium.io], kinds: [CiliumIdentity], clusters: ['*']}",
		"resource.inclusions":                                        "- {apiGroups: ['*']}",
		"resource.compareoptions":                                    "ignoreAggregatedRoles: true\n",
		"application.resourceTrackingMethod":                         "annotation",
		"url":                                                        "https://argocd.example.com",
	})
	want := Settings{
		Settings: gitsync.Settings{
			Ignore: []gitopsv1.IgnoreDifference{
				{Group: "apps", Kind: "Deployment", JSONPointers: []string{"/spec/replicas"}},
				{Kind: "Service", JQPathExpressions: []string{".spec.ports[] | .nodePort"}},
				{Group: "*", Kind: "*", ManagedFieldsManagers: []string{"kube-controller-manager"}},
			},
			Exclusions: []gitsync.ResourceFilter{{APIGroups: []string{"cilium.io"}, Kinds: []string{"CiliumIdentity"}, Clusters: []string{"*"}}},
			Inclusions: []gitsync.ResourceFilter{{APIGroups: []string{"*"}}},
		},
		Health: health.Custom{
			Lua: map[string]string{
				"*.example.org/*": `return {status = "Healthy"}`, "example.com/Widget": `return {status = "Degraded"}`, "Service": `return {status = "Healthy"}`,
			},
			Rules: map[string]string{"example.com/Gadget": "- {is: Healthy}"},
		},
		Actions: map[string]string{"Service": "definitions: []\n", "example.com/Widget": "definitions: []"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestASettingThatCannotBeFollowedIsToldAndHarmsNoOther(t *testing.T) {
	for name, c := range map[string]struct{ key, value, want string }{
		"no kind":                     {"resource.customizations.health", "x", "it names no kind"},
		"nothing that can be set":     {"resource.customizations.colour.apps_Deployment", "red", `"colour" can be set for no kind`},
		"differences that are none":   {"resource.customizations.ignoreDifferences.apps_Deployment", "jsonPointer: [/a]", "it must be YAML with jsonPointers"},
		"an action with a typo":       {"resource.customizations.actions.apps_Deployment", "definitions: [{name: a, action.lua: 'return ('}]", "the action a: reading the script"},
		"exclusions that are none":    {"resource.exclusions", "kinds: [a]", "it must be a list"},
		"inclusions with a typo":      {"resource.inclusions", "- {apigroup: [a]}", "it must be a list"},
		"a map that is none":          {"resource.customizations", "- a", "it must be a map"},
		"tracking by label":           {"application.resourceTrackingMethod", "label", `"label" is not built`},
		"a status that counts":        {"resource.compareoptions", "ignoreResourceStatusField: none", `"none" is not built`},
		"compare options of no form":  {"resource.compareoptions", "{", "it must be YAML"},
		"a pattern that is none":      {"resource.exclusions", "- {kinds: ['[']}", `"[" is no pattern`},
		"an installation":             {"installationID", "one", "is not built"},
		"options of kustomize":        {"kustomize.buildOptions", "--load-restrictor LoadRestrictionsNone", "is not built"},
		"another kustomize":           {"kustomize.path.v4", "/bin/kustomize", "is not built"},
		"less than all rights":        {"resource.respectRBAC", "strict", "is not built"},
		"a poll interval of no form":  {"timeout.reconciliation", "often", "no time such as 180s"},
		"a poll interval that floods": {"timeout.reconciliation", "5ms", "at least 1s"},
		"an end of syncs":             {"controller.sync.timeout.seconds", "60", "is not built"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Read(map[string]string{c.key: c.value, "resource.customizations.health.Service": "good"})
			if len(got.Problems) != 1 || !strings.HasPrefix(got.Problems[0], c.key+": ") || !strings.Contains(got.Problems[0], c.want) || strings.Contains(got.Problems[0], "\n") {
				t.Errorf("problems %q", got.Problems)
			}
			if strings.Contains(c.key, "ignoreDifferences") && len(got.Unclear) != 1 {
				t.Error("objects are compared as if there were no rule")
			}
			if got.Health.Lua["Service"] != "good" {
				t.Error("another setting was lost")
			}
		})
	}
}

func TestRepositoriesAreAskedAsOftenAsTheSettingsSay(t *testing.T) {
	for name, c := range map[string]struct {
		data map[string]string
		want *gitsync.Interval
	}{
		"nothing":                     {nil, nil},
		"half as much later":          {map[string]string{"timeout.reconciliation": "60s"}, &gitsync.Interval{Every: time.Minute, Jitter: 30 * time.Second}},
		"as much later as is said":    {map[string]string{"timeout.reconciliation": "60s", "timeout.reconciliation.jitter": "5s"}, &gitsync.Interval{Every: time.Minute, Jitter: 5 * time.Second}},
		"never":                       {map[string]string{"timeout.reconciliation": "0"}, &gitsync.Interval{}},
		"a spread of no form is none": {map[string]string{"timeout.reconciliation": "60s", "timeout.reconciliation.jitter": "-1s"}, &gitsync.Interval{Every: time.Minute, Jitter: 30 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Read(c.data).Poll); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPatternsThatCannotBeFollowedAreTold(t *testing.T) {
	got := Read(map[string]string{"resource.customizations": `
"[.example.com/*": {health.lua: 'return {}'}
"*.example.com/*": {actions: "definitions: []"}
`})
	want := []string{
		`resource.customizations[*.example.com/*].actions: actions are for one kind, and *.example.com/* is a pattern`,
		`resource.customizations[[.example.com/*].health.lua: "[.example.com/*" is no pattern: unexpected end of input`,
	}
	if diff := cmp.Diff(want, got.Problems); diff != "" {
		t.Error(diff)
	}
}

func TestKindsAreExcludedAsTheSettingsSay(t *testing.T) {
	here := gitsync.Cluster{Server: gitopsv1.InClusterServer, Name: gitopsv1.InClusterName}
	there := gitsync.Cluster{Server: "https://eu.example.com", Name: "eu"}
	s := Read(map[string]string{
		"resource.exclusions": `
- {apiGroups: [cilium.io], kinds: ["Cilium*"], clusters: ["https://*.example.com", in-cluster]}
- {apiGroups: [""], kinds: [Endpoints]}
- {kinds: [Secret], clusters: [eu]}
`,
	})
	for name, c := range map[string]struct {
		kind    gitsync.GroupKind
		cluster gitsync.Cluster
		want    bool
	}{
		"by a glob over kinds":           {gitsync.GroupKind{Group: "cilium.io", Kind: "CiliumIdentity"}, there, true},
		"by the name of the cluster":     {gitsync.GroupKind{Group: "cilium.io", Kind: "CiliumIdentity"}, here, true},
		"another kind of the group":      {gitsync.GroupKind{Group: "cilium.io", Kind: "Other"}, there, false},
		"of the core group":              {gitsync.GroupKind{Kind: "Endpoints"}, there, true},
		"the same kind of another group": {gitsync.GroupKind{Group: "a.io", Kind: "Endpoints"}, there, false},
		"of any group on one cluster":    {gitsync.GroupKind{Group: "a.io", Kind: "Secret"}, there, true},
		"there and not here":             {gitsync.GroupKind{Kind: "Secret"}, here, false},
		"events, whatever anybody says":  {gitsync.GroupKind{Group: "events.k8s.io", Kind: "Event"}, here, true},
		"leases, whatever anybody says":  {gitsync.GroupKind{Group: "coordination.k8s.io", Kind: "Lease"}, here, true},
		"what no setting names":          {gitsync.GroupKind{Group: "apps", Kind: "Deployment"}, here, false},
	} {
		if got := s.Excludes(c.kind, c.cluster); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	only := Read(map[string]string{"resource.inclusions": "- {apiGroups: [apps]}", "resource.exclusions": "- {kinds: [DaemonSet]}"})
	for kind, want := range map[string]bool{"Deployment": false, "DaemonSet": true} {
		if got := only.Excludes(gitsync.GroupKind{Group: "apps", Kind: kind}, here); got != want {
			t.Errorf("%s with inclusions: %t", kind, got)
		}
	}
	if !only.Excludes(gitsync.GroupKind{Kind: "Service"}, here) {
		t.Error("what no inclusion names is included")
	}
}

func FuzzSettingsAreReadOrTold(f *testing.F) {
	for _, seed := range [][2]string{
		{"resource.customizations", "apps/Deployment:\n  health.lua: return {}\n"}, {"resource.customizations.ignoreDifferences.all", "jsonPointers: [/a]"},
		{"resource.exclusions", "- {kinds: ['[']}"}, {"sluice.health.a_B", "- {is: Healthy, when: 'true'}"}, {"resource.compareoptions", "{}"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		s := Read(map[string]string{key: value})
		for _, p := range s.Problems {
			if p == "" || strings.Contains(p, "\n") {
				t.Errorf("problem %q", p)
			}
		}
		if diff := cmp.Diff(s, Read(map[string]string{key: value})); diff != "" {
			t.Error("the same data gave other settings")
		}
		health.New(s.Health)
	})
}
