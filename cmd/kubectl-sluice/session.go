package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/controllers/application"
	"github.com/sluice-delivery/sluice/internal/build"
)

// session is what a command works with: where it writes, how it reaches the cluster, and the time. Tests put in their own.
type session struct {
	in          io.Reader
	out, errOut io.Writer
	now         func() time.Time
	// connect opens the cluster; namespace is the one that a command works in unless it asks for all.
	connect   func() (client.WithWatch, error)
	namespace func() (string, error)
	// size is that of the terminal; ok is false when out is none.
	size func() (columns, rows int, ok bool)
	env  func(string) string

	flags   clientcmd.ConfigOverrides
	files   clientcmd.ClientConfigLoadingRules
	noColor bool

	// controlNamespace is where projects and the settings of Git-sync are.
	controlNamespace string
	// looker looks at Applications; files stand in for the repository if they are not nil.
	looker func(ctx context.Context, c client.WithWatch, app *gitopsv1.Application, files application.Source) (look looker, end func(), err error)
}

func newSession(in io.Reader, out, errOut *os.File) *session {
	s := &session{in: in, out: out, errOut: errOut, now: time.Now, env: os.Getenv, files: *clientcmd.NewDefaultClientConfigLoadingRules()}
	s.size = func() (int, int, bool) {
		columns, rows, err := term.GetSize(int(out.Fd()))
		return columns, rows, err == nil
	}
	s.connect, s.namespace, s.looker = s.dial, s.currentNamespace, s.lookHere
	return s
}

// bind adds the flags that kubectl users know. The rarer ones work too, but do not fill every help page.
func (s *session) bind(flags *pflag.FlagSet) {
	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.ClusterOverrideFlags.APIServer.ShortName = "s"
	clientcmd.BindOverrideFlags(&s.flags, flags, names)
	usual := map[string]bool{"namespace": true, "context": true, "as": true}
	flags.VisitAll(func(f *pflag.Flag) { f.Hidden = !usual[f.Name] })
	flags.StringVar(&s.files.ExplicitPath, "kubeconfig", "", "Path to the kubeconfig file to use")
	flags.BoolVar(&s.noColor, "no-color", false, "Do not use colours; NO_COLOR in the environment does the same")
}

func (s *session) config() clientcmd.ClientConfig {
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&s.files, &s.flags)
}

func (s *session) currentNamespace() (string, error) {
	namespace, _, err := s.config().Namespace()
	if err != nil {
		return "", fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return namespace, nil
}

func (s *session) dial() (client.WithWatch, error) {
	cfg, err := s.config().ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	cfg.QPS = -1 // a person does not flood the API server, and waiting would
	cfg.UserAgent = "kubectl-sluice/" + build.Version()
	c, err := client.NewWithWatch(cfg, client.Options{Scheme: scheme()})
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return c, nil
}

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	utilruntime.Must(gitopsv1.AddToScheme(s))
	return s
}

// open is what nearly every command begins with.
func (s *session) open() (c client.WithWatch, namespace string, err error) {
	if c, err = s.connect(); err != nil {
		return nil, "", err
	}
	namespace, err = s.namespace()
	return c, namespace, err
}

// colour reports whether colours are wanted and understood.
func (s *session) colour() bool {
	_, _, terminal := s.size()
	return terminal && !s.noColor && s.env("NO_COLOR") == "" && s.env("TERM") != "dumb"
}

// show writes lines out, unless drawing them failed.
func (s *session) show(lines []line, err error) error {
	if err != nil {
		return err
	}
	return s.print(lines)
}

// tell prints what a verb asked for.
func (s *session) tell(said string, err error) error {
	if err != nil {
		return err
	}
	return s.print([]line{text(plain, said)})
}

// print writes lines out.
func (s *session) print(lines []line) error {
	colour := s.colour()
	for _, l := range lines {
		if _, err := fmt.Fprintln(s.out, l.paint(colour)); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
	}
	return nil
}
