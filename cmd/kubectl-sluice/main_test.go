package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/golden"
)

// scenes are the worlds that console/view is tested with.
const scenes = "../../console/view/testdata/"

// server counts the watches that have begun. The fake server tells a watch nothing of what happened before it, as a real one would,
// so a test waits for the watches before it changes anything.
type server struct {
	client.WithWatch
	begun chan struct{}
}

// Watch counts.
func (s server) Watch(ctx context.Context, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
	w, err := s.WithWatch.Watch(ctx, list, opts...)
	if err == nil {
		s.begun <- struct{}{}
	}
	return w, err
}

// serve is a cluster that holds what the files say.
func serve(t *testing.T, paths ...string) server {
	t.Helper()
	known := scheme()
	decoder := serializer.NewCodecFactory(known).UniversalDeserializer()
	b := fake.NewClientBuilder().WithScheme(known).WithStatusSubresource(&v1alpha1.Rollout{}).
		WithIndex(&v1alpha1.Rollout{}, "metadata.name", func(o client.Object) []string { return []string{o.GetName()} }).
		WithIndex(&gitopsv1.Application{}, "metadata.name", func(o client.Object) []string { return []string{o.GetName()} })
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for documents := yaml.NewYAMLToJSONDecoder(file); ; {
			var raw json.RawMessage
			if err := documents.Decode(&raw); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			o, _, err := decoder.Decode(raw, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			b.WithRuntimeObjects(o)
		}
	}
	return server{b.Build(), make(chan struct{}, 1000)}
}

// console is a session whose output is kept, in namespace shop at the time of the scenes.
type console struct {
	*session
	mu       sync.Mutex
	out, err bytes.Buffer
	// written is told of every write.
	written chan struct{}
}

// Write keeps the output and may be called while another goroutine reads it through text.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.written <- struct{}{}:
	default:
	}
	return c.out.Write(p)
}

func (c *console) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

// open gives a console without a terminal; columns above 0 make it one.
func open(cluster client.WithWatch, columns, rows int) *console {
	c := &console{written: make(chan struct{}, 1)}
	c.session = &session{
		in: strings.NewReader(""), out: c, errOut: &c.err, files: clientcmd.ClientConfigLoadingRules{},
		now:       func() time.Time { return time.Date(2026, 1, 1, 12, 1, 45, 0, time.UTC) },
		connect:   func() (client.WithWatch, error) { return cluster, nil },
		namespace: func() (string, error) { return "shop", nil },
		size:      func() (int, int, bool) { return columns, rows, columns > 0 },
		env:       func(string) string { return "" },
	}
	return c
}

func noColour(name string) string { return map[string]string{"NO_COLOR": "1"}[name] }

// do runs one command line and returns its exit code.
func (c *console) do(t *testing.T, line string) int {
	t.Helper()
	return run(t.Context(), c.session, strings.Fields(line))
}

func TestPictures(t *testing.T) {
	paths, err := filepath.Glob(scenes + "*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenes: %v", err)
	}
	for _, path := range paths {
		scene := strings.TrimSuffix(filepath.Base(path), ".yaml")
		for name, width := range map[string]int{"-80.txt": 80, "-120.txt": 120, "-piped.txt": 0} {
			t.Run(scene+name, func(t *testing.T) {
				c := open(serve(t, path), width, 50)
				c.env = noColour
				if code := c.do(t, "get rollout web"); code != 0 {
					t.Fatalf("exit code %d: %s", code, c.err.String())
				}
				for _, l := range strings.Split(c.text(), "\n") {
					if n := (line{{text: l}}).width(); width > 0 && n > width {
						t.Errorf("%d columns: %s", n, l)
					}
				}
				golden.Compare(t, "testdata/"+scene+name, c.text())
			})
		}
	}
}

func TestOutputFormats(t *testing.T) {
	for name, command := range map[string]string{
		"get-wide.txt":  "get web -o wide",
		"get-name.txt":  "get ro/web -o name",
		"get-yaml.txt":  "get rollout web -o yaml",
		"list.txt":      "list",
		"list-all.txt":  "list rollouts -A",
		"list-wide.txt": "ls -o wide",
		"list-name.txt": "list -o name",
		"list-json.txt": "list -o json",
	} {
		t.Run(name, func(t *testing.T) {
			c := open(serve(t, scenes+"aborted-by-analysis.yaml", "testdata/others.yaml"), 0, 0)
			if code := c.do(t, command); code != 0 {
				t.Fatalf("exit code %d: %s", code, c.err.String())
			}
			golden.Compare(t, "testdata/"+name, c.text())
		})
	}
}

func TestAListWithoutRolloutsSaysSo(t *testing.T) {
	c := open(serve(t), 0, 0)
	if code := c.do(t, "list"); code != 0 || c.text() != "there are no Rollouts in namespace shop\n" {
		t.Errorf("exit code %d: %s", code, c.text())
	}
}

func TestColoursOnlyWhereTheyAreWanted(t *testing.T) {
	for name, c := range map[string]struct {
		width    int
		flag     string
		env      map[string]string
		coloured bool
	}{
		"on a terminal":             {width: 80, coloured: true},
		"in a pipe":                 {},
		"with --no-color":           {width: 80, flag: " --no-color"},
		"with NO_COLOR":             {width: 80, env: map[string]string{"NO_COLOR": "1"}},
		"on a terminal without any": {width: 80, env: map[string]string{"TERM": "dumb"}},
	} {
		t.Run(name, func(t *testing.T) {
			on := open(serve(t, scenes+"paused-canary.yaml"), c.width, 50)
			on.env = func(name string) string { return c.env[name] }
			if code := on.do(t, "get web"+c.flag); code != 0 {
				t.Fatal(on.err.String())
			}
			if got := strings.Contains(on.text(), "\x1b["); got != c.coloured {
				t.Errorf("coloured: %v", got)
			}
		})
	}
}

func TestForeignTextCannotSteerTheTerminal(t *testing.T) {
	for _, command := range []string{"get web", "get web -o wide", "get web -o yaml", "get web -o json", "list", "status web --watch=false", "set image web \x1b[2Jx=y", "get web\x1b[2J"} {
		c := open(serve(t, scenes+"inconclusive-experiment-and-nonsense.yaml"), 200, 50)
		c.env = noColour
		c.do(t, command)
		for _, r := range c.text() + c.err.String() {
			if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0) {
				t.Errorf("%q prints %q", command, c.text()+c.err.String())
				break
			}
		}
	}
}

func TestActionsPrintWhatTheyAskedFor(t *testing.T) {
	for command, want := range map[string]string{
		"promote web":                            "rollout shop/web: promoted past step 2/5 (pause: 5m)\n",
		"promote web --full":                     "rollout shop/web: full promotion asked for, all steps that remain are skipped\n",
		"abort rollout web":                      "rollout shop/web: abort asked for, traffic returns to the stable revision\n",
		"pause rollout/web":                      "rollout shop/web: paused, promote goes on\n",
		"restart web -i 1h":                      "rollout shop/web: pods older than 2026-01-01T13:01:45Z are restarted\n",
		"undo web --to-revision 1":               "rollout shop/web: return to the pod template of revision 1 asked for\n",
		"terminate ar/web-7d9f8b5c4d-3":          "analysisrun shop/web-7d9f8b5c4d-3: termination asked for\n",
		"terminate analysisrun web-7d9f8b5c4d-3": "analysisrun shop/web-7d9f8b5c4d-3: termination asked for\n",
		"retry web":                              "error: rollout shop/web: nothing to retry: the update is not aborted\n",
		"set image web app=app:2":                "error: rollout shop/web: Rollout shop/web has no container app: there are none\n",
		"undo web --to-revision 9":               "error: rollout shop/web: there is no revision 9: there are 3 (current), 2, 1\n",
		"abort nobody":                           "error: rollout shop/nobody: does not exist\n",
		"set image web app":                      "error: no image is given: add CONTAINER=IMAGE\n",
		"set image web app=":                     "error: \"app=\" is not CONTAINER=IMAGE\n",
		"abort deployment/web":                   "error: \"deployment/web\" cannot be used here: give a name of the kind rollout\n",
		"retry analysisrun web":                  "error: \"analysisrun web\" cannot be used here: give a name of the kind rollout or experiment\n",
		"get":                                    "error: accepts between 1 and 2 arg(s), received 0\n",
		"get web -o xml":                         "error: invalid argument \"xml\" for \"-o, --output\" flag: must be one of wide, name, json, yaml\n",
		"frobnicate":                             "error: unknown command \"frobnicate\" for \"kubectl sluice\"\n",
	} {
		t.Run(command, func(t *testing.T) {
			c := open(serve(t, scenes+"paused-canary.yaml"), 0, 0)
			code := c.do(t, command)
			if got := c.text() + c.err.String(); got != want {
				t.Errorf("printed %q, want %q", got, want)
			}
			if failed := strings.HasPrefix(want, "error"); failed != (code == exitError) {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestACommandWithoutAClusterFails(t *testing.T) {
	c := open(nil, 0, 0)
	c.connect = func() (client.WithWatch, error) { return nil, errors.New("connection refused") }
	if code := c.do(t, "get web"); code != exitError || c.err.String() != "error: connection refused\n" {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
}

func TestNamesAreCompleted(t *testing.T) {
	c := open(serve(t, scenes+"paused-canary.yaml", "testdata/others.yaml"), 0, 0)
	code := run(t.Context(), c.session, []string{"__complete", "promote", ""})
	if !strings.HasPrefix(c.text(), "api\ncart\nweb\n") || code != 0 {
		t.Errorf("exit code %d: %q", code, c.text())
	}
}

func TestVersion(t *testing.T) {
	c := open(nil, 0, 0)
	if code := c.do(t, "version"); code != 0 || !strings.HasPrefix(c.text(), "kubectl-sluice ") {
		t.Errorf("exit code %d: %s", code, c.text())
	}
}
