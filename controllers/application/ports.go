package application

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/cluster"
)

// Source knows repositories of all kinds. It is safe for concurrent use, and asks a repository once however many Applications use it.
type Source interface {
	// Resolve gives the commit, or the version of a chart or an artifact, that a source asks for. The error is a gitsync.UnreachableError
	// where the repository could not be asked.
	Resolve(ctx context.Context, want gitsync.Want) (revision string, err error)
	// Fetch gives the files of a revision that Resolve gave, verified as the project asks.
	Fetch(ctx context.Context, want gitsync.Want, revision string) (gitsync.Checkout, error)
}

// Renderer turns files into manifests. It is safe for concurrent use, and remembers what it rendered.
type Renderer interface {
	Render(ctx context.Context, request gitsync.RenderRequest) (gitsync.Rendering, error)
}

// Health judges one live object on its own.
type Health func(o *unstructured.Unstructured) gitsync.Health

// Clusters are the destinations; cluster.Set is the one that there is.
type Clusters interface {
	// Find gives a destination; it is nil where the second answer has a Problem.
	Find(ctx context.Context, d gitopsv1.Destination, project *gitopsv1.AppProject) (*cluster.Cluster, gitsync.Cluster, error)
}
