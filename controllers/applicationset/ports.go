package applicationset

import (
	"context"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// Library answers what generators ask of repositories, providers and plugins, with the credentials that a project may use. It is safe for
// concurrent use, and remembers answers for a while; fresh asks anew.
type Library interface {
	Answer(ctx context.Context, set *gitopsv1.ApplicationSet, q generate.Question, fresh bool) (generate.Answer, error)
}
