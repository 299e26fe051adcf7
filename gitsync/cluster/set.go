package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// Set is all destinations: the cluster of the controller, and those of cluster Secrets. It is safe for concurrent use.
type Set struct {
	// Local is the way to the cluster of the controller.
	Local *rest.Config
	// Secrets reads the cluster Secrets, which are in Namespace.
	Secrets   client.Reader
	Namespace string
	// Changed is told the cluster's server and the tracking name of each object that changes.
	Changed func(server, trackingName string)
	// Once is set by a command that looks once and ends; nil to watch.
	Once *Once
	// Context ends all watches.
	Context context.Context //nolint:containedctx // watches outlive the pass that began them

	mu   sync.Mutex
	open map[string]*opened
	// events counts changes; nil if nobody measures.
	events *prometheus.CounterVec
}

type opened struct {
	cluster *Cluster
	// config is what the Secret said.
	config string
}

// target is one destination as it is configured.
type target struct {
	identity gitsync.Cluster
	project  string
	config   string
	// frozen has its Applications left alone.
	frozen  bool
	connect func() (*rest.Config, error)
}

// ErrFrozen says that nobody may look after the Applications of a destination now.
var ErrFrozen = fmt.Errorf("the Secret of the cluster has the annotation %s", gitopsv1.AnnotationSkipReconcile)

// Find gives the destination that an Application names. The Problem of the answer, if there is one, is for the Application's status. The error is
// ErrFrozen for a destination that must be left alone.
func (s *Set) Find(ctx context.Context, d gitopsv1.Destination, project *gitopsv1.AppProject) (*Cluster, gitsync.Cluster, error) {
	targets, err := s.targets(ctx)
	if err != nil {
		return nil, gitsync.Cluster{}, err
	}
	s.drop(targets)
	t := choose(targets, strings.TrimSuffix(d.Server, "/"), d.Name)
	if t.identity.Problem != "" {
		return nil, t.identity, nil
	}
	if t.frozen {
		return nil, t.identity, ErrFrozen
	}
	if project != nil && project.Spec.PermitOnlyProjectScopedClusters && t.project != project.Name {
		t.identity.Problem = fmt.Sprintf("project %s permits only its own clusters, and %s is none", project.Name, t.identity.Server)
		return nil, t.identity, nil
	}
	c, err := s.connect(t)
	if err != nil {
		t.identity.Problem = err.Error()
		return nil, t.identity, nil //nolint:nilerr // that a destination cannot be used is an answer, which the Application shows
	}
	return c, t.identity, nil
}

// choose picks the destination of a server, or else of a name; its Problem says why there is none.
func choose(targets []target, server, name string) target {
	problem := gitsync.Cluster{Server: server, Name: name}
	matches := slices.DeleteFunc(targets, func(t target) bool {
		return server != "" && t.identity.Server != server || server == "" && t.identity.Name != name
	})
	switch {
	case server == "" && name == "":
		problem.Problem = "destination server or name is missing: set spec.destination.server or spec.destination.name"
	case len(matches) == 0:
		problem.Gone = true
		problem.Problem = fmt.Sprintf("there is no cluster %s: add a Secret with the label %s=%s", cmp.Or(server, name), gitopsv1.LabelSecretType, gitopsv1.SecretTypeCluster)
	case len(matches) > 1 && server == "":
		problem.Problem = fmt.Sprintf("there are %d clusters with the name %s: name the server instead", len(matches), name)
	default:
		return matches[0]
	}
	return target{identity: problem}
}

// connect opens a destination once, and anew when its Secret has changed.
func (s *Set) connect(t target) (*Cluster, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.open[t.identity.Server]; known != nil {
		if known.config == t.config {
			return known.cluster, nil
		}
		known.cluster.stop()
		delete(s.open, t.identity.Server)
	}
	config, err := t.connect()
	if err != nil {
		return nil, err
	}
	c, err := open(s.Context, t.identity, config, s.Changed)
	if err != nil {
		return nil, err
	}
	c.once, c.events = s.Once, s.events
	if s.open == nil {
		s.open = map[string]*opened{}
	}
	s.open[t.identity.Server] = &opened{c, t.config}
	return c, nil
}

// drop ends the connections to destinations that nobody configures any more.
func (s *Set) drop(targets []target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for server, known := range s.open {
		if !slices.ContainsFunc(targets, func(t target) bool { return t.identity.Server == server }) {
			known.cluster.stop()
			delete(s.open, server)
		}
	}
}

// targets lists the destinations. The local one is there without a Secret; one for its server may give it another name.
func (s *Set) targets(ctx context.Context) ([]target, error) {
	var list corev1.SecretList
	err := s.Secrets.List(ctx, &list, client.InNamespace(s.Namespace), client.MatchingLabels{gitopsv1.LabelSecretType: gitopsv1.SecretTypeCluster})
	if err != nil {
		return nil, fmt.Errorf("listing cluster Secrets: %w", err)
	}
	local := target{
		identity: gitsync.Cluster{Server: gitopsv1.InClusterServer, Name: gitopsv1.InClusterName},
		connect:  func() (*rest.Config, error) { return rest.CopyConfig(s.Local), nil },
	}
	var all []target
	for i := range list.Items {
		secret := &list.Items[i]
		t := target{
			identity: gitsync.Cluster{
				Server: strings.TrimSuffix(string(secret.Data["server"]), "/"), Name: string(secret.Data["name"]),
				Namespaces: namesIn(string(secret.Data["namespaces"])), ClusterResources: string(secret.Data["clusterResources"]) == "true",
			},
			project: string(secret.Data["project"]),
			config:  fmt.Sprintf("%q", []any{secret.Data["config"], secret.Data["namespaces"], secret.Data["clusterResources"]}),
			frozen:  secret.Annotations[gitopsv1.AnnotationSkipReconcile] == "true",
			connect: func() (*rest.Config, error) { return s.fenced(configOf(secret)) },
		}
		if t.identity.Server == gitopsv1.InClusterServer {
			t.identity.Name, t.connect = cmp.Or(t.identity.Name, local.identity.Name), local.connect
			local = t
			continue
		}
		all = append(all, t)
	}
	return append(all, local), nil
}

// namesIn splits a comma list.
func namesIn(list string) (names []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// fenced has what stands in front of the local cluster stand in front of another too: without the lease nothing is written anywhere.
func (s *Set) fenced(config *rest.Config, err error) (*rest.Config, error) {
	if err == nil && s.Local != nil {
		config.Wrap(s.Local.WrapTransport)
	}
	return config, err
}

// access is the key config of a cluster Secret.
type access struct {
	Username           string          `json:"username"`
	Password           string          `json:"password"`
	BearerToken        string          `json:"bearerToken"`
	AWSAuthConfig      json.RawMessage `json:"awsAuthConfig"`
	ExecProviderConfig json.RawMessage `json:"execProviderConfig"`
	DisableCompression bool            `json:"disableCompression"`
	ProxyURL           string          `json:"proxyUrl"`
	TLSClientConfig    struct {
		Insecure   bool   `json:"insecure"`
		ServerName string `json:"serverName"`
		CAData     []byte `json:"caData"`
		CertData   []byte `json:"certData"`
		KeyData    []byte `json:"keyData"`
	} `json:"tlsClientConfig"`
}

// configOf reads how a cluster is reached. Errors name the Secret and never its content.
func configOf(secret *corev1.Secret) (*rest.Config, error) {
	refuse := func(problem string) error { return fmt.Errorf("cluster Secret %s: %s", secret.Name, problem) }
	var a access
	if text := secret.Data["config"]; len(text) > 0 && json.Unmarshal(text, &a) != nil {
		return nil, refuse("the key config is no JSON of the expected form")
	}
	if a.AWSAuthConfig != nil || a.ExecProviderConfig != nil {
		return nil, refuse("awsAuthConfig and execProviderConfig run programs that this controller does not bring: give a bearerToken or a client certificate")
	}
	config := &rest.Config{
		Host: string(secret.Data["server"]), Username: a.Username, Password: a.Password, BearerToken: a.BearerToken,
		DisableCompression: a.DisableCompression, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{Insecure: a.TLSClientConfig.Insecure, ServerName: a.TLSClientConfig.ServerName,
			CAData: a.TLSClientConfig.CAData, CertData: a.TLSClientConfig.CertData, KeyData: a.TLSClientConfig.KeyData},
	}
	if a.ProxyURL != "" {
		proxy, err := proxyOf(a.ProxyURL)
		if err != nil {
			return nil, refuse("proxyUrl is no URL")
		}
		config.Proxy = proxy
	}
	return config, nil
}

// errNoURL hides the text that could not be parsed, because proxies are often written with a password.
var errNoURL = errors.New("no URL")
