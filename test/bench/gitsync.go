package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/forge"
	"github.com/sluice-delivery/sluice/test/stage"
)

// poll is how often a repository is asked, so that idle controllers are seen to ask.
const poll = 20 * time.Second

// gitsync points Applications at repositories and sees what comes of it.
type gitsync struct {
	*fleet
	states *states
}

// states are what a watch told last of the Applications, by name.
type states struct {
	mu   sync.Mutex
	apps map[string]gitopsv1.ApplicationStatus
	busy map[string]bool
}

// watchApplications goes on until ctx ends.
func watchApplications(ctx context.Context, s *stage.Stage) (*states, error) {
	all, err := cache.New(s.Cluster.Config(), cache.Options{
		Scheme: s.Client.Scheme(), DefaultNamespaces: map[string]cache.Config{gitopsv1.DefaultControlNamespace: {}},
	})
	if err != nil {
		return nil, err
	}
	g := &states{apps: map[string]gitopsv1.ApplicationStatus{}, busy: map[string]bool{}}
	informer, err := all.GetInformer(ctx, &gitopsv1.Application{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	note := func(o any) {
		a := o.(*gitopsv1.Application)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.apps[a.Name], g.busy[a.Name] = a.Status, a.Operation != nil
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: note, UpdateFunc: func(_, o any) { note(o) }}); err != nil {
		return nil, err
	}
	go func() { _ = all.Start(ctx) }() // it has no error but that of a second start
	if !all.WaitForCacheSync(ctx) {
		return nil, errors.New("the watch of Applications did not begin")
	}
	return g, nil
}

// settled tells whether an Application is through with a commit.
func (g *states) settled(name, commit string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.apps[name]
	return s.Sync.Status == gitopsv1.SyncSynced && s.Health.Status == gitopsv1.HealthHealthy && s.Sync.Revision == commit && !g.busy[name]
}

// allSettled returns when all Applications with a prefix and a number below n are through with a commit.
func (g *gitsync) allSettled(ctx context.Context, prefix string, n int, commit string) error {
	return await(ctx, fmt.Sprintf("%d Applications like %s-0 are synced and healthy with %.7s", n, prefix, commit), func() bool {
		for i := range n {
			if !g.states.settled(fmt.Sprintf("%s-%d", prefix, i), commit) {
				return false
			}
		}
		return true
	})
}

// point makes an Application that brings a folder of a repository to a namespace of the name of that repository.
func (g *gitsync) point(ctx context.Context, name string, from *forge.Copy, path, namespace string) error {
	a := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: gitopsv1.DefaultControlNamespace, Name: name}}
	a.Spec = gitopsv1.ApplicationSpec{
		Source:      &gitopsv1.Source{RepoURL: from.URL, TargetRevision: "main", Path: path},
		Destination: gitopsv1.Destination{Server: gitopsv1.InClusterServer, Namespace: namespace},
		SyncPolicy:  &gitopsv1.SyncPolicy{Automated: &gitopsv1.AutomatedSync{Prune: new(true), SelfHeal: new(true)}},
	}
	return g.Client.Create(ctx, a)
}

// commit writes files, and commits and pushes them.
func commit(ctx context.Context, to *forge.Copy, message string, files map[string][]byte) (string, error) {
	if err := to.Write(files); err != nil {
		return "", err
	}
	sha, err := to.Commit(ctx, message)
	if err != nil {
		return "", err
	}
	return sha, to.Push(ctx)
}

func (g *gitsync) makeNamespace(ctx context.Context, name string) error {
	return g.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

// fill puts a name and a value into a manifest.
func fill(manifest, name, value string) []byte {
	return []byte(strings.NewReplacer("NAME", name, "VALUE", value).Replace(manifest))
}

// highest is the most memory that the controller has had so far, in MiB, as the kernel counts it.
func (g *gitsync) highest() (int, error) { return memory(g.Controller.PID(), "VmHWM:") }

// forgetHighest lets the kernel count anew.
func (g *gitsync) forgetHighest() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", g.Controller.PID()), []byte("5"), 0)
}

// since are the requests of the controller after a mark, by kind, but for its lease and its watches.
func (g *gitsync) since(mark int64) (counts, error) {
	all, err := g.audit.since(mark)
	if err != nil {
		return nil, err
	}
	asked := count(all, request.kind, func(r request) bool { return r.isController() })
	maps.DeleteFunc(asked, func(kind string, _ int) bool {
		return strings.HasPrefix(kind, "watch ") || strings.HasSuffix(kind, " leases")
	})
	return asked, nil
}
