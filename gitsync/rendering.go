package gitsync

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// Want is what one source of an Application asks for, and on whose behalf.
type Want struct {
	// Project decides which credentials may be used and which signatures a commit needs; never nil.
	Project *gitopsv1.AppProject
	Source  gitopsv1.Source
	// Revision stands in for Source.TargetRevision if it is not empty, as an operation may ask for.
	Revision string
	// Fresh asks the repository now, where otherwise an answer may be served that is as old as Poll says: of any age if that is zero, and no older than
	// the interval of whoever keeps the answers if it is nil.
	Fresh bool
	Poll  *Interval
	// Since is when somebody asked for that: an answer of that moment or later will do. It is now if it is zero.
	Since time.Time
}

// Checkout is the files of one revision. They do not change before Release, which must be called once.
type Checkout struct {
	// Dir is the root of the repository, or the folder of a chart.
	Dir string
	// Revision is the commit, or the version of a chart or an artifact.
	Revision string
	// Tree identifies the content of a path below Dir: equal text means equal content, empty text means that there is nothing. That of a folder
	// of a repository begins with "tree ". It is nil where that is not known.
	Tree    func(ctx context.Context, path string) (string, error)
	Release func()
}

// RenderRequest asks for the manifests of an Application at resolved revisions.
type RenderRequest struct {
	App *gitopsv1.Application
	// Name is the one that its objects are tracked by.
	Name string
	// Project is that of the Application; never nil.
	Project *gitopsv1.AppProject
	// Parts are the sources in the order of the spec.
	Parts []RenderPart
	// KubeVersion and APIVersions are those of the destination cluster, such as v1.37.2 and apps/v1/Deployment.
	KubeVersion string
	APIVersions []string
	// Hard asks for a rendering that does not come from a cache.
	Hard bool
}

// RenderPart is one source at its revision.
type RenderPart struct {
	Source   gitopsv1.Source
	Revision string
	// Fetch gives the files; a rendering that is cached does not call it.
	Fetch func(ctx context.Context) (Checkout, error)
}

// Rendering is the manifests of all parts, one after the other, before namespaces and tracking metadata are filled in.
type Rendering struct {
	Objects []*unstructured.Unstructured
	// SourceTypes has one entry for each part.
	SourceTypes []gitopsv1.SourceType
	// Warnings are sentences about what was left out, such as a file that could not be read as a manifest.
	Warnings []string
}

// UnreachableError says that a repository could not be asked. What was known of it stays true for a while, unlike after any other error.
type UnreachableError struct {
	Cause error
	// Again is after how long it is worth to ask again, because only others were in the way; zero if there is no hurry.
	Again time.Duration
}

func (e *UnreachableError) Error() string { return e.Cause.Error() }

func (e *UnreachableError) Unwrap() error { return e.Cause }
