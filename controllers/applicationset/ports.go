package applicationset

import (
	"context"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/generate"
)

// Library answers what generators ask of repositories, providers and plugins, with the credentials that a project or a set may use. It is safe for
// concurrent use. Fresh asks anew where answers are remembered. With an error come the answers that were found nevertheless; without one, all.
type Library interface {
	Answer(ctx context.Context, set *gitopsv1.ApplicationSet, questions []generate.Question, fresh bool) (map[generate.Question]generate.Answer, error)
}
