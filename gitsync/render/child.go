package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// command is the hidden first argument that makes the program a child.
const command = "render-manifests"

// order is what the child is told, and answer what it says.
type order struct {
	Root, Path string
	Source     gitopsv1.Source
}

type answer struct {
	Objects  []map[string]any
	Type     gitopsv1.SourceType
	Warnings []string
	Problem  string
}

// IsChild tells whether this process was started to render; main and TestMain must then do nothing but call Serve.
func IsChild() bool { return len(os.Args) == 2 && os.Args[1] == command }

// Serve renders one order and gives the exit code of the process.
func Serve(in io.Reader, out io.Writer) int {
	http.DefaultTransport = noNetwork{} // kustomize reads resources that look like URLs through it
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return 2
	}
	a, err := produce(o)
	if err != nil {
		a = answer{Problem: err.Error()}
	}
	if err := json.NewEncoder(out).Encode(a); err != nil {
		return 1
	}
	return 0
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
	kind, file, err := t.detect(o.Source)
	if err != nil {
		return answer{}, err
	}
	a := answer{Type: kind}
	switch kind {
	case gitopsv1.SourceTypeKustomize:
		a.Objects, err = t.kustomize(o.Source.Kustomize, file)
	case gitopsv1.SourceTypeDirectory:
		a.Objects, a.Warnings, err = t.directory(o.Source.Directory)
	default:
		err = fmt.Errorf("a source of the type %s cannot be rendered yet", kind)
	}
	return a, err
}
