package validation

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// AppProject refuses rules of a project that could not be kept as they were meant. Schedules are read where windows are decided.
func AppProject(p *gitopsv1.AppProject) field.ErrorList {
	spec := field.NewPath("spec")
	var errs field.ErrorList
	for i, w := range p.Spec.SyncWindows {
		at := spec.Child("syncWindows").Index(i).Child("kind")
		if w.Kind != "allow" && w.Kind != "deny" {
			errs = append(errs, field.NotSupported(at, w.Kind, []string{"allow", "deny"}))
		}
	}
	if integrity := p.Spec.SourceIntegrity; integrity != nil && integrity.Git != nil {
		for i, policy := range integrity.Git.Policies {
			errs = append(errs, integrityPolicy(policy, spec.Child("sourceIntegrity", "git", "policies").Index(i))...)
		}
	}
	for i, a := range p.Spec.DestinationServiceAccounts {
		at := spec.Child("destinationServiceAccounts").Index(i)
		if a.DefaultServiceAccount == "" {
			errs = append(errs, field.Required(at.Child("defaultServiceAccount"), "name the service account, or namespace:name"))
		}
	}
	return errs
}

func integrityPolicy(p gitopsv1.GitIntegrityPolicy, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if _, err := gitopsv1.RepoPatterns(p); err != nil {
		errs = append(errs, invalid(at.Child("repos"), len(p.Repos), "%v", err)...)
	}
	if p.GPG == nil {
		return append(errs, field.Required(at.Child("gpg"), "a policy says which signatures it wants"))
	}
	mode := at.Child("gpg", "mode")
	switch p.GPG.Mode {
	case "none", "head", "strict":
	case "":
		errs = append(errs, field.Required(mode, "use none, head or strict"))
	default:
		errs = append(errs, field.NotSupported(mode, p.GPG.Mode, []string{"none", "head", "strict"}))
	}
	return errs
}
