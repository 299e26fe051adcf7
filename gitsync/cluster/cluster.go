package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/sluice-delivery/sluice/gitsync"
)

const (
	// syncTimeout is how long the first list of a kind may take.
	syncTimeout = 20 * time.Second
	// dialTimeout is how long a connection may take to come about.
	dialTimeout = 5 * time.Second
	// shunFor is how long a kind that could not be listed is not tried again, so that it takes no time from others.
	shunFor = 20 * time.Second
)

// Cluster is one destination. It is safe for concurrent use.
type Cluster struct {
	// Identity is how Applications and projects name it.
	Identity gitsync.Cluster

	config  *rest.Config
	http    *http.Client
	gate    *gate
	mapper  meta.RESTMapper
	direct  client.Client
	cache   cache.Cache
	changed func(cluster, trackingName string)
	stop    context.CancelFunc

	mu      sync.Mutex
	watched map[schema.GroupVersionKind]*watch
	// turns are held while a watch of a kind begins or ends, by kind; mu is taken after one of them, never before.
	turns   map[schema.GroupVersionKind]*sync.Mutex
	recent  recent
	writers map[string]client.Client
	about   about
	// once is set where nothing is watched, and kinds are listed in some namespaces only.
	once   *Once
	events *prometheus.CounterVec
}

// reachable gives the error because of which the destination cannot be asked at present. One that was in vain asked before is asked whether it answers
// again, because what the cache shows of it is old.
func (c *Cluster) reachable(ctx context.Context) error {
	trouble := c.gate.lastTrouble()
	if trouble == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, doubtAfter)
	defer cancel()
	// What comes of it the gate knows.
	_, _ = c.ask(ctx, "version")
	if trouble = c.gate.lastTrouble(); trouble != nil {
		return fmt.Errorf("cluster %s cannot be asked: %w", c.Identity.Server, trouble)
	}
	return nil
}

// ask asks for a path, and gives the status of the answer.
func (c *Cluster) ask(ctx context.Context, path ...string) (status int, err error) {
	url, _, err := rest.DefaultServerUrlFor(c.config)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url.String(), "/")+"/"+strings.Join(path, "/"), nil)
	if err != nil {
		return 0, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

// open connects to a destination. Nothing is asked of it yet. changed is told the tracking name of each object that changes.
func open(ctx context.Context, identity gitsync.Cluster, config *rest.Config, changed func(cluster, trackingName string)) (*Cluster, error) {
	if config.Dial == nil {
		config.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	doors := newGate()
	config.Wrap(doors.wrap)
	// A warning of admission may repeat what a Secret holds, and it would be logged where nobody knows what to mask.
	config.WarningHandler = rest.NoWarnings{}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", identity.Server, err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", identity.Server, err)
	}
	scheme := runtime.NewScheme()
	direct, err := client.New(config, client.Options{HTTPClient: httpClient, Mapper: mapper, Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", identity.Server, err)
	}
	c := newCluster(identity, direct, mapper, changed)
	watching := &http.Client{Transport: patient{doors, httpClient.Transport}, Timeout: httpClient.Timeout}
	options := cache.Options{HTTPClient: watching, Mapper: mapper, Scheme: scheme, DefaultTransform: slim, ReaderFailOnMissingInformer: true, DefaultWatchErrorHandler: c.lost}
	if len(identity.Namespaces) > 0 {
		options.DefaultNamespaces = map[string]cache.Config{}
	}
	for _, namespace := range identity.Namespaces {
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	kept, err := cache.New(config, options)
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", identity.Server, err)
	}
	ctx, stop := context.WithCancel(ctx)
	c.config, c.http, c.gate, c.cache = config, httpClient, doors, kept
	c.stop = func() {
		stop()
		utilnet.CloseIdleConnectionsFor(httpClient.Transport)
	}
	go func() {
		// The cache ends with ctx; it reports what goes wrong with single kinds where they are read.
		_ = kept.Start(ctx)
	}()
	kept.WaitForCacheSync(ctx) // which has begun then, and what is watched from now on is listed at once
	return c, nil
}

func newCluster(identity gitsync.Cluster, direct client.Client, mapper meta.RESTMapper, changed func(cluster, trackingName string)) *Cluster {
	return &Cluster{
		Identity: identity, direct: direct, mapper: mapper, changed: changed, stop: func() {}, gate: newGate(),
		watched: map[schema.GroupVersionKind]*watch{}, turns: map[schema.GroupVersionKind]*sync.Mutex{}, writers: map[string]client.Client{},
	}
}

// Secrets are the values of the credentials with which the destination is reached.
func (c *Cluster) Secrets() (values []string) {
	if c.config == nil {
		return nil
	}
	for _, v := range []string{c.config.BearerToken, c.config.Password, string(c.config.KeyData)} {
		if v != "" {
			values = append(values, v)
		}
	}
	if c.config.Password != "" {
		values = append(values, c.config.Username+":"+c.config.Password) // as it is sent, in base64
	}
	return values
}

// Kinds tells what the destination knows about kinds.
func (c *Cluster) Kinds(ctx context.Context, kinds []gitsync.GroupKind) (map[gitsync.GroupKind]gitsync.Kind, error) {
	if err := c.reachable(ctx); err != nil {
		return nil, err
	}
	known := map[gitsync.GroupKind]gitsync.Kind{}
	for _, k := range kinds {
		if _, seen := known[k]; seen {
			continue
		}
		mapping, err := c.mapper.RESTMapping(schema.GroupKind{Group: k.Group, Kind: k.Kind})
		switch {
		case meta.IsNoMatchError(err):
			known[k] = gitsync.Kind{}
		case err != nil:
			return nil, fmt.Errorf("asking cluster %s for kind %s: %w", c.Identity.Server, k.Kind, err)
		default:
			known[k] = gitsync.Kind{Known: true, Namespaced: mapping.Scope.Name() == meta.RESTScopeNameNamespace}
		}
	}
	return known, nil
}

// knows reports whether the destination serves a kind. Of one that is watched that is not looked up again for each object.
func (c *Cluster) knows(gvk schema.GroupVersionKind) (bool, error) {
	c.mu.Lock()
	w := c.watched[gvk]
	watched := w != nil && !w.tried.IsZero() && w.err == nil
	c.mu.Unlock()
	if watched {
		return true, nil
	}
	_, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking cluster %s for kind %s: %w", c.Identity.Server, gvk.Kind, err)
	}
	return true, nil
}

// Live reads one object; nil if it does not exist or its kind is not known. It is that of the cache itself, which nobody may change.
func (c *Cluster) Live(ctx context.Context, gvk schema.GroupVersionKind, key gitsync.Key) (*unstructured.Unstructured, error) {
	if known, err := c.knows(gvk); !known {
		return nil, err
	}
	name := client.ObjectKey{Namespace: key.Namespace, Name: key.Name}
	if c.once != nil {
		return c.once.live(ctx, c.direct, gvk, name)
	}
	if err := c.watch(ctx, gvk); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(gvk)
	err := c.cache.Get(ctx, name, o, client.UnsafeDisableDeepCopy)
	switch {
	case apierrors.IsNotFound(err):
		o = nil
	case err != nil:
		return nil, fmt.Errorf("reading %s %s: %w", gvk.Kind, name, err)
	case isSlim(o):
		// Nobody holds it yet, so only its name is kept; this is read once, when an Application takes it over.
		o = o.NewEmptyInstance().(*unstructured.Unstructured)
		o.SetGroupVersionKind(gvk)
		if err := c.direct.Get(ctx, name, o); apierrors.IsNotFound(err) {
			o = nil
		} else if err != nil {
			return nil, fmt.Errorf("reading %s %s: %w", gvk.Kind, name, err)
		}
	}
	return c.newest(ctx, gvk, key, o)
}

// Tracked lists the objects of a kind that an Application holds. They are those of the cache itself, which nobody may change.
func (c *Cluster) Tracked(ctx context.Context, gvk schema.GroupVersionKind, trackingName string) ([]*unstructured.Unstructured, error) {
	if c.once != nil {
		return nil, nil // those that an Application holds stand in its status
	}
	return c.list(ctx, gvk, client.MatchingFields{trackingField: trackingName}, client.UnsafeDisableDeepCopy)
}

// List lists all objects of a kind; none if the kind is not known. They are those of the cache itself, which nobody may change.
func (c *Cluster) List(ctx context.Context, gvk schema.GroupVersionKind) ([]*unstructured.Unstructured, error) {
	if c.once != nil {
		return c.once.list(ctx, c.direct, gvk)
	}
	return c.list(ctx, gvk, client.UnsafeDisableDeepCopy)
}

func (c *Cluster) list(ctx context.Context, gvk schema.GroupVersionKind, opts ...client.ListOption) ([]*unstructured.Unstructured, error) {
	if known, err := c.knows(gvk); !known {
		return nil, err
	}
	if err := c.watch(ctx, gvk); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	if err := c.cache.List(ctx, list, opts...); err != nil {
		return nil, fmt.Errorf("listing %s: %w", gvk.Kind, err)
	}
	var all []*unstructured.Unstructured
	for i := range list.Items {
		o := &list.Items[i]
		newest, _ := c.recent.newest(gvk, gitsync.KeyOf(o), o, time.Now())
		all = append(all, newest)
	}
	return all, nil
}

// about is what charts may ask of a cluster.
type about struct {
	version string
	apis    []string
	at      time.Time
}

// aboutFor is how long it is believed.
const aboutFor = 10 * time.Minute

// About gives the version of the cluster and the APIs that it serves, as group/version and group/version/Kind.
func (c *Cluster) About(ctx context.Context) (version string, apis []string, err error) {
	c.mu.Lock()
	known := c.about
	c.mu.Unlock()
	if time.Since(known.at) < aboutFor {
		return known.version, known.apis, nil
	}
	if err := c.reachable(ctx); err != nil {
		return "", nil, err
	}
	d, err := discovery.NewDiscoveryClientForConfigAndClient(c.config, c.http)
	if err != nil {
		return "", nil, fmt.Errorf("asking cluster %s for its version: %w", c.Identity.Server, err)
	}
	info, err := d.ServerVersion()
	if err != nil {
		return "", nil, fmt.Errorf("asking cluster %s for its version: %w", c.Identity.Server, err)
	}
	_, lists, err := d.ServerGroupsAndResources()
	var partly *discovery.ErrGroupDiscoveryFailed
	if err != nil && !errors.As(err, &partly) {
		return "", nil, fmt.Errorf("asking cluster %s for its APIs: %w", c.Identity.Server, err)
	}
	known = about{version: info.GitVersion, at: time.Now()}
	for _, list := range lists {
		known.apis = append(known.apis, list.GroupVersion)
		for _, r := range list.APIResources {
			if !strings.Contains(r.Name, "/") {
				known.apis = append(known.apis, list.GroupVersion+"/"+r.Kind)
			}
		}
	}
	c.mu.Lock()
	c.about = known
	c.mu.Unlock()
	return known.version, known.apis, nil
}
