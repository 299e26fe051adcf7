package render

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// environment is what $NAME stands for in some settings of a source. It remembers what was asked for.
type environment struct {
	values map[string]string
	used   map[string]bool
}

func newEnvironment(o order) *environment {
	short := func(n int) string { return o.Revision[:min(n, len(o.Revision))] }
	return &environment{used: map[string]bool{}, values: map[string]string{
		"ARGOCD_APP_NAME": o.Name, "ARGOCD_APP_NAMESPACE": o.Namespace, "ARGOCD_APP_PROJECT_NAME": o.Project,
		"ARGOCD_APP_REVISION": o.Revision, "ARGOCD_APP_REVISION_SHORT": short(7), "ARGOCD_APP_REVISION_SHORT_8": short(8),
		"ARGOCD_APP_SOURCE_PATH": o.Path, "ARGOCD_APP_SOURCE_REPO_URL": o.Source.RepoURL, "ARGOCD_APP_SOURCE_TARGET_REVISION": o.Source.TargetRevision,
		"KUBE_VERSION": strings.TrimPrefix(o.KubeVersion, "v"), "KUBE_API_VERSIONS": strings.Join(o.APIVersions, ","),
	}}
}

// expand puts in the values. An unknown name is an error, because an empty text in its place would be a surprise; $$ is a dollar sign.
func (e *environment) expand(text string) (string, error) {
	var unknown []string
	expanded := os.Expand(text, func(name string) string {
		if name == "$" {
			return name
		}
		value, known := e.values[name]
		if !known {
			unknown = append(unknown, name)
		}
		e.used[name] = true
		return value
	})
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return "", fmt.Errorf("$%.80s is no variable of the build environment; write $$ for a dollar sign", unknown[0])
	}
	return expanded, nil
}

// usesRevision tells whether another commit with the same files could give other manifests.
func (e *environment) usesRevision() bool {
	return e.used["ARGOCD_APP_REVISION"] || e.used["ARGOCD_APP_REVISION_SHORT"] || e.used["ARGOCD_APP_REVISION_SHORT_8"]
}

func (e *environment) usesCluster() bool {
	return e.used["KUBE_VERSION"] || e.used["KUBE_API_VERSIONS"]
}
