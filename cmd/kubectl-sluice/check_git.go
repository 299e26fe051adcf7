package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/json"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/gitops/validation"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/settings"
)

var gitKinds = map[string]func() any{
	"Application":    func() any { return &gitopsv1.Application{} },
	"AppProject":     func() any { return &gitopsv1.AppProject{} },
	"ApplicationSet": func() any { return &gitopsv1.ApplicationSet{} },
}

// settingsKind is the kind of the object that holds the settings of Git-sync.
const settingsKind = "ConfigMap"

// isOfGit reports whether a document is about Git-sync alone.
func (m manifest) isOfGit() bool { return gitKinds[m.kind] != nil || m.kind == settingsKind }

// decodeOfGit decodes a document that is about Git-sync; others have kinds of these names, too.
func (m manifest) decodeOfGit(at *any) []error {
	if o := gitKinds[m.kind]; o != nil && m.apiVersion == gitopsv1.GroupVersion.String() {
		return decode(m.raw, o(), at)
	}
	s := &corev1.ConfigMap{}
	if m.kind == settingsKind && json.UnmarshalCaseSensitivePreserveInts(m.raw, s) == nil && s.Name == gitopsv1.ConfigMapSettings {
		*at = s
	}
	return nil
}

// mistakesOfGit tells what is wrong with an object of Git-sync by itself; of other objects nothing.
func mistakesOfGit(o any, tell func(string)) {
	var errs field.ErrorList
	problem := ""
	switch o := o.(type) {
	case *gitopsv1.Application:
		errs, problem = validation.Application(o), gitsync.SpecProblem(o.Spec)
	case *gitopsv1.ApplicationSet:
		errs = validation.ApplicationSet(o)
	case *gitopsv1.AppProject:
		problem = gitsync.ProjectProblem(o)
		for i, w := range o.Spec.SyncWindows {
			if err := gitsync.WindowProblem(w); err != nil {
				tell(fmt.Sprintf("spec.syncWindows[%d]: %v", i, err))
			}
		}
	case *corev1.ConfigMap:
		for _, p := range settings.Read(o.Data).Problems {
			tell("data: " + p)
		}
	}
	for _, err := range errs {
		tell(err.Error())
	}
	if problem != "" {
		tell(problem)
	}
}
