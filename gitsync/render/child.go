package render

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/child"
)

const (
	// maxAnswer bounds the manifests of one source as JSON.
	maxAnswer = 32 << 20
	// maxProblem bounds what a template may say in a condition.
	maxProblem = 2000
)

// command is the hidden first argument that makes the program a child.
const command = "render-manifests"

// order is what the child is told, and answer what it says.
type order struct {
	Root, Path string
	// Refs has the folders of the sources that values are taken from, by their names.
	Refs   map[string]string
	Source gitopsv1.Source
	// Name is that of the Application as objects are tracked by it, and Release its own.
	Name, Release, Namespace, Project, Revision string
	KubeVersion                                 string
	APIVersions                                 []string
}

type answer struct {
	Objects  []map[string]any
	Type     gitopsv1.SourceType
	Warnings []string
	// Reads lists what was looked at, by the name of the ref and empty for the source itself.
	Reads map[string][]string
	// OfRevision and OfCluster tell that the revision, or the versions of the cluster, had a part in the manifests.
	OfRevision, OfCluster bool
	Problem               string
}

// IsChild tells whether this process was started to render; main and TestMain must then do nothing but call Serve.
func IsChild() bool { return child.Asked(command) }

// Serve renders orders and gives the exit code of the process.
func Serve(in io.Reader, out io.Writer) int {
	http.DefaultTransport = noNetwork{} // kustomize reads resources that look like URLs through it
	return child.Serve(in, out, func(o order) answer {
		a, err := produce(o)
		if err != nil {
			return answer{Problem: brief(err.Error())}
		}
		return a
	})
}

// brief makes the words of a template fit for a condition. The end says what went wrong, the start where.
func brief(text string) string {
	if len(text) > maxProblem {
		text = text[:maxProblem/2] + " … " + text[len(text)-maxProblem/2:]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}

type noNetwork struct{}

func (noNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("a rendering has no network; put the file into the repository")
}

func produce(o order) (answer, error) {
	t, err := openTree(o.Root, o.Path)
	if err != nil {
		return answer{}, err
	}
	if o.Source, err = t.overridden(o.Source, o.Name); err != nil {
		return answer{}, err
	}
	kind, file, err := t.detect(o.Source)
	if err != nil {
		return answer{}, err
	}
	env, refs := newEnvironment(o), map[string]*tree{}
	for name, root := range o.Refs {
		if refs[name], err = openTree(root, ""); err != nil {
			return answer{}, err
		}
	}
	var made collection
	switch kind {
	case gitopsv1.SourceTypeHelm:
		made, err = t.helm(o, refs, env)
	case gitopsv1.SourceTypeKustomize:
		made, err = t.kustomize(o.Source.Kustomize, file, env)
	case gitopsv1.SourceTypeDirectory:
		made, err = t.directory(o.Source.Directory, env)
	default:
		err = fmt.Errorf("config management plugins cannot be used: source.plugin asks for %q; render its output into the repository, or use helm, kustomize or jsonnet", o.Source.Plugin.Name)
	}
	a := answer{Type: kind, Objects: made.objects, Warnings: made.warnings, OfRevision: env.usesRevision(),
		OfCluster: kind == gitopsv1.SourceTypeHelm || env.usesCluster(), Reads: map[string][]string{"": t.dependencies()}}
	for name, ref := range refs {
		a.Reads[name] = ref.dependencies()
	}
	return a, err
}
