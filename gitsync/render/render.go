package render

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "sigs.k8s.io/json"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/child"
)

// Renderer renders in child processes, as many at a time as there are processors, and remembers what came of it. It is safe for concurrent use.
type Renderer struct {
	// Timeout bounds the rendering of one source.
	Timeout time.Duration
	// Memory bounds a child, in bytes.
	Memory uint64

	// quick is shorter in tests.
	quick time.Duration

	remembered cache
	children   child.Crew
	begin      sync.Once
	lanes      lanes
}

// Render gives the manifests of all parts. The first part that cannot be rendered makes it fail, for half a desired state would prune.
func (r *Renderer) Render(ctx context.Context, request gitsync.RenderRequest) (gitsync.Rendering, error) {
	var all gitsync.Rendering
	for i, part := range request.Parts {
		if part.Source.Ref != "" && part.Source.Path == "" && part.Source.Chart == "" {
			all.SourceTypes = append(all.SourceTypes, "") // it only gives values to others
			continue
		}
		j, err := newJob(request, part)
		if err != nil {
			return gitsync.Rendering{}, fmt.Errorf("source %d: %w", i, err)
		}
		a, err := r.do(ctx, j, request.Hard)
		if err != nil {
			return gitsync.Rendering{}, fmt.Errorf("rendering source %d: %w", i, err)
		}
		for _, o := range a.Objects {
			all.Objects = append(all.Objects, &unstructured.Unstructured{Object: o})
		}
		all.SourceTypes = append(all.SourceTypes, a.Type)
		all.Warnings = append(all.Warnings, a.Warnings...)
	}
	return all, nil
}

// job is the rendering of one source: what the child is told, and the parts whose files it may read, by ref and empty for the source itself.
type job struct {
	order order
	parts map[string]gitsync.RenderPart
	// verified says that files must be fetched each time, for whoever fetches them verifies signatures.
	verified bool
}

func newJob(request gitsync.RenderRequest, part gitsync.RenderPart) (job, error) {
	j := job{parts: map[string]gitsync.RenderPart{"": part}}
	j.order = order{Source: part.Source, Path: part.Source.Path, Revision: part.Revision, KubeVersion: request.KubeVersion, APIVersions: slices.Sorted(slices.Values(request.APIVersions))}
	if part.Source.Chart != "" {
		j.order.Path = ""
	}
	if app := request.App; app != nil {
		j.order.Name, j.order.Release = request.Name, app.Name
		j.order.Namespace, j.order.Project = app.Spec.Destination.Namespace, gitopsv1.ProjectName(app.Spec)
	}
	if p := request.Project; p != nil {
		j.verified = len(p.Spec.SignatureKeys) > 0 || p.Spec.SourceIntegrity != nil
	}
	for _, other := range request.Parts {
		switch ref := other.Source.Ref; {
		case ref == "":
		case other.Source.Chart != "":
			return j, fmt.Errorf("the source with the ref %s is a chart; a ref names the files of a repository", ref)
		case j.parts[ref].Source.Ref != "":
			return j, fmt.Errorf("two sources have the ref %s", ref)
		default:
			j.parts[ref] = other
		}
	}
	return j, nil
}

// revisions are those of the parts.
func (j job) revisions() map[string]string {
	all := map[string]string{}
	for name, part := range j.parts {
		all[name] = part.Revision
	}
	return all
}

// do renders, or finds that it was done before.
func (r *Renderer) do(ctx context.Context, j job, hard bool) (answer, error) {
	key, err := j.key()
	if err != nil {
		return answer{}, err
	}
	if !hard && !j.verified {
		if a, found := r.remembered.atRevisions(key, j); found {
			return a, nil
		}
		if err := r.remembered.failure(key, j); err != nil {
			return answer{}, err
		}
	}
	files, err := j.fetch(ctx)
	defer release(files)
	if err != nil {
		return answer{}, err
	}
	if !hard {
		if a, found := r.remembered.withFiles(ctx, key, j, files); found {
			return a, nil
		}
		if err := r.remembered.failure(key, j); err != nil {
			return answer{}, err
		}
	}
	return r.anew(ctx, key, j, files)
}

// anew renders, and remembers what came of it.
func (r *Renderer) anew(ctx context.Context, key string, j job, files map[string]gitsync.Checkout) (answer, error) {
	o := j.order
	o.Root, o.Refs = files[""].Dir, map[string]string{}
	for name, checkout := range files {
		if name != "" {
			o.Refs[name] = checkout.Dir
		}
	}
	text, err := r.ask(ctx, key, o)
	if err != nil {
		if isOfRendering(ctx, err) {
			r.remembered.keepFailure(key, j, err, time.Now().Add(exhaustedFor))
		}
		return answer{}, err
	}
	a, err := parse(text)
	if err != nil {
		r.remembered.keepFailure(key, j, err, time.Time{})
		return answer{}, err
	}
	r.remembered.keep(ctx, key, j, files, a, text)
	return a, nil
}

// fetch gives the files of all parts; what it got before an error must be released, too.
func (j job) fetch(ctx context.Context) (map[string]gitsync.Checkout, error) {
	files := map[string]gitsync.Checkout{}
	for _, name := range slices.Sorted(maps.Keys(j.parts)) {
		checkout, err := j.parts[name].Fetch(ctx)
		if err != nil {
			return files, err
		}
		files[name] = checkout
	}
	return files, nil
}

func release(files map[string]gitsync.Checkout) {
	for _, checkout := range files {
		checkout.Release()
	}
}

func parse(text []byte) (answer, error) {
	var a answer
	if err := utiljson.UnmarshalCaseSensitivePreserveInts(text, &a); err != nil {
		return answer{}, fmt.Errorf("reading the manifests: %w", err)
	}
	if a.Problem != "" {
		return answer{}, errors.New(a.Problem)
	}
	return a, nil
}
