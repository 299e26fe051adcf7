package generate

import (
	"time"

	"k8s.io/utils/ptr"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// requeueAfter is the shortest time after which one of the generators wants to look again; zero if none does.
func requeueAfter(generators []gitopsv1.Generator) time.Duration {
	var least time.Duration
	for _, g := range generators {
		least = sooner(least, requeueOf(g))
	}
	return least
}

func requeueOf(g gitopsv1.Generator) time.Duration {
	var least time.Duration
	if g.Git != nil {
		least = sooner(least, seconds(g.Git.RequeueAfterSeconds, gitopsv1.DefaultGitRequeueAfter))
	}
	if g.SCMProvider != nil {
		least = sooner(least, seconds(g.SCMProvider.RequeueAfterSeconds, gitopsv1.DefaultProviderRequeueAfter))
	}
	if g.PullRequest != nil {
		least = sooner(least, seconds(g.PullRequest.RequeueAfterSeconds, gitopsv1.DefaultProviderRequeueAfter))
	}
	if g.Plugin != nil {
		least = sooner(least, seconds(g.Plugin.RequeueAfterSeconds, gitopsv1.DefaultProviderRequeueAfter))
	}
	for _, child := range children(g) {
		least = sooner(least, requeueOf(child))
	}
	return least
}

// children are the generators inside a matrix or a merge that can be read as they are written.
func children(g gitopsv1.Generator) []gitopsv1.Generator {
	var all []gitopsv1.Generator
	for _, raw := range nested(g) {
		if child, err := gitopsv1.NestedGenerator(raw); err == nil {
			all = append(all, child)
		}
	}
	return all
}

func seconds(n *int64, otherwise time.Duration) time.Duration {
	return time.Duration(ptr.Deref(n, int64(otherwise/time.Second))) * time.Second
}

func sooner(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}
