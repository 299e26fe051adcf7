package application

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/cluster"
)

// unreachableGrace is how long what was known stays true while a repository cannot be asked.
const unreachableGrace = 3 * time.Minute

var rolloutKind = schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout"}

// seen is an Observation and what apply must know besides.
type seen struct {
	gitsync.Observation
	cluster *cluster.Cluster
	memory  *memory
	// trouble is what kept the destination from being read; the pass says so and is tried again.
	trouble error
	// again is when it is worth to come back, because only others were in the way, or because a repository that could not be asked is asked again however
	// rarely the settings have it asked; zero if there is no need.
	again time.Duration
}

// observe gathers everything that a decision rests on. It only reads.
func (c *Controller) observe(ctx context.Context, app *gitopsv1.Application) (*seen, error) {
	s := &seen{
		Observation: gitsync.Observation{Now: c.now(), App: app, ControlNamespace: c.Namespace, Predicted: map[string]gitsync.Prediction{}},
		memory:      c.memories.of(client.ObjectKeyFromObject(app)),
	}
	var err error
	if s.Project, err = c.project(ctx, app); err != nil {
		return nil, err
	}
	if c.Settings != nil {
		if s.Observation.Settings, err = c.Settings(ctx); err != nil {
			return nil, err
		}
	}
	if s.cluster, s.Cluster, err = c.Clusters.Find(ctx, app.Spec.Destination, s.Project); err != nil {
		return nil, err
	}
	if s.cluster == nil || app.DeletionTimestamp == nil && gitsync.Refusal(s.Observation) != "" {
		return s, nil
	}
	s.Secrets, s.Reverted = s.cluster.Secrets(), s.memory.reverts
	c.observeSources(ctx, s)
	for _, part := range []struct {
		doing string
		read  func(context.Context, *seen) error
	}{
		{"finding what lives", c.observeLive},
		{"finding Rollouts", c.observeRollouts},
		{"finding who holds what lives", c.observeHolders},
		{"asking for dry runs", c.observePredictions},
		{"finding orphans", c.observeNeighbours},
	} {
		if err := part.read(ctx, s); err != nil {
			s.unread(fmt.Errorf("%s: %w", part.doing, err))
			break
		}
	}
	s.bear()
	return s, nil
}

// unread makes an observation that lacks what lives one from which nothing but that can be concluded. What was known of an Application that was
// compared before stays true for a while.
func (s *seen) unread(err error) {
	secrets := slices.Clone(s.Target.Objects)
	for _, l := range s.Live {
		secrets = append(secrets, l.Object)
	}
	if s.Running != nil {
		secrets = append(secrets, s.Running.Objects...)
	}
	// What is dropped here is not known to the decision, which masks everything else.
	err = gitsync.NewMask(secrets...).And(s.Secrets...).Error(err)
	s.trouble = err
	s.Target = gitsync.Material{Sources: s.Target.Sources, Revisions: s.Target.Revisions, Problem: err.Error(), Unreachable: true}
	s.Running, s.Live, s.Predicted = nil, nil, nil
	s.Cluster.Silent = err.Error()
}

// bear says how much longer what was known stays true where something could not be asked: one time for all, which begins anew only once everything was
// asked, for otherwise a repository that answers would hide a destination that does not.
func (s *seen) bear() {
	unreachable := s.Target.Unreachable || s.Running != nil && s.Running.Unreachable
	left := s.memory.grace(unreachable, s.Now)
	if _, asked := s.App.Annotations[gitopsv1.AnnotationRefresh]; s.Target.Unreachable && (!asked || s.trouble != nil) {
		s.Target.Grace = left // whoever asks for a look at a repository is told at once that it cannot be had
	}
	if s.Running != nil && s.Running.Unreachable {
		s.Running.Grace = left
	}
}

// project reads the project of an Application; nil if there is none of that name.
func (c *Controller) project(ctx context.Context, app *gitopsv1.Application) (*gitopsv1.AppProject, error) {
	p := &gitopsv1.AppProject{}
	err := c.Client.Get(ctx, types.NamespacedName{Namespace: c.Namespace, Name: gitopsv1.ProjectName(app.Spec)}, p)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the project: %w", err)
	}
	return p, nil
}

// observeSources renders what the spec asks for, and what the operation under way asks for where that is something else.
func (c *Controller) observeSources(ctx context.Context, s *seen) {
	if s.App.DeletionTimestamp != nil {
		c.observeFarewell(ctx, s)
		return
	}
	refresh, asked := s.App.Annotations[gitopsv1.AnnotationRefresh]
	changed, byHand := !gitsync.ComparedSame(s.App), gitsync.BeginsByHand(s.App)
	how := loading{fresh: asked || changed || byHand, hard: refresh == gitopsv1.RefreshHard}
	if wished := s.memory.wish(byHand, s.Now); !changed {
		how.since = latest(c.memories.since(client.ObjectKeyFromObject(s.App)), wished)
	}
	s.Target = c.load(ctx, s, gitopsv1.SourcesOf(s.App.Spec), nil, how)
	sync := gitsync.SyncUnderWay(s.App)
	if sync == nil {
		return
	}
	sources, revisions := gitsync.SourcesOfSync(s.App)
	if len(sync.Manifests) == 0 && gitsync.SameMaterial(s.Target, sources, revisions) {
		return
	}
	running := gitsync.Material{Sources: sources, Revisions: revisions, Problem: gitsync.RefusalOfSync(s.Observation)}
	switch {
	case running.Problem != "":
	case len(sync.Manifests) > 0:
		running.Objects, running.Problem = manifests(sync.Manifests)
	default:
		running = c.load(ctx, s, sources, revisions, loading{
			fresh: !s.App.Operation.InitiatedBy.Automated, since: s.App.Status.OperationState.StartedAt.Time,
		})
	}
	s.Running = &running
}

// observeFarewell renders what runs when an Application is deleted, if anything does.
func (c *Controller) observeFarewell(ctx context.Context, s *seen) {
	if !gitsync.NeedsFarewell(s.App) {
		return
	}
	if s.Target.Problem = gitsync.Refusal(s.Observation); s.Target.Problem == "" {
		s.Target = c.load(ctx, s, gitopsv1.SourcesOf(s.App.Spec), nil, loading{})
	}
}

// loading says how manifests are had: fresh asks the repository now, hard renders anew.
type loading struct {
	fresh, hard bool
	// since is when somebody asked for what is fresh; zero for now.
	since time.Time
}

// load resolves and renders sources; a revision that is given stands in for what a source asks for.
func (c *Controller) load(ctx context.Context, s *seen, sources []gitopsv1.Source, revisions []string, how loading) gitsync.Material {
	m := gitsync.Material{Sources: sources}
	request := gitsync.RenderRequest{App: s.App, Name: gitsync.TrackingName(s.App, c.Namespace), Project: s.Project, Hard: how.hard}
	fail := func(err error) gitsync.Material {
		var unreachable *gitsync.UnreachableError
		m.Problem, m.Unreachable, m.Objects = err.Error(), errors.As(err, &unreachable), nil
		if m.Unreachable {
			s.again = cmp.Or(unreachable.Again, s.again, poll(c.Poll))
		}
		return m
	}
	for i, source := range sources {
		want := gitsync.Want{Project: s.Project, Source: source, Fresh: how.fresh, Poll: s.Settings.Poll, Since: how.since}
		if i < len(revisions) {
			want.Revision = revisions[i]
		}
		revision, err := c.Source.Resolve(ctx, want)
		if err != nil {
			return fail(err)
		}
		m.Revisions = append(m.Revisions, revision)
		request.Parts = append(request.Parts, gitsync.RenderPart{Source: source, Revision: revision, Fetch: func(ctx context.Context) (gitsync.Checkout, error) {
			return c.Source.Fetch(ctx, want, revision)
		}})
	}
	var err error
	if request.KubeVersion, request.APIVersions, err = s.cluster.About(ctx); err != nil {
		return fail(&gitsync.UnreachableError{Cause: err})
	}
	rendering, err := c.Renderer.Render(ctx, request)
	if err != nil {
		return fail(err)
	}
	m.Objects, m.SourceTypes, m.Warnings = rendering.Objects, rendering.SourceTypes, rendering.Warnings
	return m
}

// grace is how much longer what was known stays true.
func (m *memory) grace(unreachable bool, now time.Time) time.Duration {
	if !unreachable {
		m.unreachable = time.Time{}
		return 0
	}
	if m.unreachable.IsZero() {
		m.unreachable = now
	}
	return m.unreachable.Add(unreachableGrace).Sub(now)
}

// observeLive reads the objects that the material names, those of the last status, and all that the Application holds.
func (c *Controller) observeLive(ctx context.Context, s *seen) error {
	named, err := s.named(ctx)
	if err != nil {
		return err
	}
	kinds := map[schema.GroupVersionKind]bool{}
	keys := map[gitsync.Key]schema.GroupVersionKind{}
	for _, o := range named {
		gvk := o.GroupVersionKind()
		kind := groupKind(gvk)
		if known := s.Kinds[kind]; !known.Known || s.Settings.Excludes(kind, s.Cluster) || s.Cluster.Confines(known.Namespaced, o.GetNamespace()) != "" {
			continue
		}
		kinds[gvk] = true
		if key := gitsync.KeyOf(o); key.Name != "" {
			if _, seen := keys[key]; !seen {
				keys[key] = gvk
			}
		}
	}
	watched := sortedKinds(kinds)
	s.moveTo(ctx, gitsync.TrackingName(s.App, c.Namespace))
	s.cluster.Use(ctx, gitsync.TrackingName(s.App, c.Namespace), append(slices.Clone(watched), rolloutKind))
	if watched, err = s.readable(ctx, watched); err != nil {
		return err
	}
	living, err := c.readLiving(ctx, s, keys, watched)
	if err != nil {
		return err
	}
	for _, o := range living {
		s.Live = append(s.Live, gitsync.Live{Object: o, Health: c.Health(o)})
	}
	slices.SortFunc(s.Live, func(a, b gitsync.Live) int {
		return gitsync.CompareKeys(gitsync.KeyOf(a.Object), gitsync.KeyOf(b.Object))
	})
	return nil
}

func groupKind(gvk schema.GroupVersionKind) gitsync.GroupKind {
	return gitsync.GroupKind{Group: gvk.Group, Kind: gvk.Kind}
}

// readable picks the kinds that can be read. What Git wants of another is refused by itself; where only the cluster may hold some of it, nothing can be
// said of the Application.
func (s *seen) readable(ctx context.Context, kinds []schema.GroupVersionKind) (readable []schema.GroupVersionKind, err error) {
	for _, gvk := range kinds {
		kind := groupKind(gvk)
		known, err := s.cluster.Check(ctx, gvk, s.Kinds[kind])
		if err != nil {
			return nil, err
		}
		s.Kinds[kind] = known
		switch {
		case known.Unread != "" && !s.wants(kind):
			return nil, errors.New(known.Unread)
		case known.Unread == "" && known.Known:
			readable = append(readable, gvk)
		}
	}
	return readable, nil
}

// wants reports whether Git holds objects of a kind.
func (s *seen) wants(kind gitsync.GroupKind) bool {
	return s.App.DeletionTimestamp == nil && slices.ContainsFunc(s.Target.Objects, func(o *unstructured.Unstructured) bool {
		return groupKind(o.GroupVersionKind()) == kind
	})
}

// readLiving reads objects by name, and all that the Application holds of some kinds.
func (c *Controller) readLiving(ctx context.Context, s *seen, keys map[gitsync.Key]schema.GroupVersionKind, kinds []schema.GroupVersionKind) (
	map[gitsync.Key]*unstructured.Unstructured, error,
) {
	living := map[gitsync.Key]*unstructured.Unstructured{}
	for key, gvk := range keys {
		if !slices.Contains(kinds, gvk) {
			continue
		}
		o, err := s.cluster.Live(ctx, gvk, key)
		if err != nil {
			return nil, err
		}
		if o != nil {
			living[key] = o
		}
	}
	name := gitsync.TrackingName(s.App, c.Namespace)
	for _, gvk := range kinds {
		tracked, err := s.cluster.Tracked(ctx, gvk, name)
		if err != nil {
			return nil, err
		}
		for _, o := range tracked {
			if key := gitsync.KeyOf(o); living[key] == nil {
				living[key] = o
			}
		}
	}
	return living, nil
}

// moveTo ends the watches in the destination that the Application had before.
func (s *seen) moveTo(ctx context.Context, user string) {
	if before := s.memory.cluster; before != nil && before != s.cluster {
		before.Use(ctx, user, nil)
	}
	s.memory.cluster = s.cluster
}

// named lists the objects whose life matters, in their namespaces, and fills in what the cluster knows about their kinds.
func (s *seen) named(ctx context.Context) ([]*unstructured.Unstructured, error) {
	var raw []*unstructured.Unstructured
	raw = append(raw, s.Target.Objects...)
	if s.Running != nil {
		raw = append(raw, s.Running.Objects...)
	}
	var listed []*unstructured.Unstructured
	for _, r := range s.App.Status.Resources {
		listed = append(listed, objectOf(r.Group, r.Version, r.Kind, r.Namespace, r.Name))
	}
	if state := s.App.Status.OperationState; state != nil && state.SyncResult != nil {
		for _, r := range state.SyncResult.Resources {
			if r.Version == "" {
				continue // it was never seen
			}
			listed = append(listed, objectOf(r.Group, r.Version, r.Kind, r.Namespace, r.Name))
		}
	}
	if gitsync.CreatesNamespace(s.Observation) {
		listed = append(listed, objectOf("", "v1", "Namespace", "", s.App.Spec.Destination.Namespace))
	}
	var kinds []gitsync.GroupKind
	for _, o := range append(slices.Clone(raw), listed...) {
		gvk := o.GroupVersionKind()
		kinds = append(kinds, groupKind(gvk))
	}
	var err error
	if s.Kinds, err = s.cluster.Kinds(ctx, kinds); err != nil {
		return nil, err
	}
	s.Prepare()
	return append(s.Wanted(), listed...), nil
}

// objectOf names an object.
func objectOf(group, version, kind, namespace, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: version, Kind: kind})
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func sortedKinds(kinds map[schema.GroupVersionKind]bool) (all []schema.GroupVersionKind) {
	for k := range kinds {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b schema.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// observeRollouts reads all Rollouts of the destination, because each knows the routes and Services that it runs.
func (c *Controller) observeRollouts(ctx context.Context, s *seen) error {
	var err error
	s.Rollouts, err = s.cluster.List(ctx, rolloutKind)
	return err
}

// observeHolders finds out which Applications named by tracking ids exist.
func (c *Controller) observeHolders(ctx context.Context, s *seen) error {
	s.Holders = map[string]bool{}
	own := gitsync.TrackingName(s.App, c.Namespace)
	for _, l := range s.Live {
		holder := gitsync.TrackedBy(l.Object)
		if _, known := s.Holders[holder]; known || holder == "" || holder == own {
			continue
		}
		err := c.Client.Get(ctx, c.keyOf(holder), &gitopsv1.Application{})
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		s.Holders[holder] = err == nil
	}
	return nil
}

// keyOf is the Application of a tracking name.
func (c *Controller) keyOf(trackingName string) types.NamespacedName {
	if namespace, name, found := strings.Cut(trackingName, "_"); found {
		return types.NamespacedName{Namespace: namespace, Name: name}
	}
	return types.NamespacedName{Namespace: c.Namespace, Name: trackingName}
}

// observePredictions asks dry runs where only these can tell. An answer that nothing would change holds as long as neither side changes.
func (c *Controller) observePredictions(ctx context.Context, s *seen) error {
	if s.App.DeletionTimestamp != nil {
		return nil
	}
	s.memory.ruled(slices.Concat(s.App.Spec.IgnoreDifferences, s.Settings.Ignore))
	var ask []gitsync.Write
	for _, q := range gitsync.Questions(&s.Observation) {
		key := gitsync.KeyOf(q.Object)
		if q.Live != nil && s.memory.agreed[key] == agree(q) {
			s.Predicted[gitsync.Digest(q.Object)] = gitsync.Prediction{Object: q.Live}
			continue
		}
		ask = append(ask, q)
	}
	if len(ask) == 0 {
		return nil
	}
	return s.predict(ctx, ask)
}

// predict asks a dry run for each write and remembers which of them would change nothing.
func (s *seen) predict(ctx context.Context, ask []gitsync.Write) error {
	w, err := s.writer()
	if err != nil {
		return err
	}
	answers := make([]gitsync.Prediction, len(ask))
	problems := make([]error, len(ask))
	each(len(ask), func(i int) { answers[i], problems[i] = w.DryRun(ctx, ask[i]) })
	for i, q := range ask {
		key := gitsync.KeyOf(q.Object)
		s.Predicted[gitsync.Digest(q.Object)] = answers[i]
		if q.Live == nil || answers[i].Object == nil {
			continue
		}
		changes, err := gitsync.Changes(answers[i].Object, q.Live, s.Ignored(q.Live))
		if err == nil && !changes {
			s.memory.agreed[key] = agree(q)
		}
	}
	return errors.Join(problems...)
}

func agree(q gitsync.Write) agreement {
	return agreement{gitsync.Digest(q.Object), gitsync.NormalDigest(q.Live)}
}

// writer writes as the service account that the project names for the destination.
func (s *seen) writer() (*cluster.Writer, error) {
	// Other controllers of this API apply as client-side managers by the name under which we apply.
	migrates := []string{cluster.ClientSideManager, gitopsv1.FieldManager}
	if name := s.App.Annotations[gitopsv1.AnnotationClientSideMigrationManager]; name != "" {
		migrates[0] = name
	}
	if gitopsv1.SyncOption(gitopsv1.SyncOptions(s.App.Spec), "ClientSideApplyMigration") == "false" {
		migrates = nil
	}
	account, err := gitsync.ServiceAccount(s.Observation)
	if err != nil {
		return nil, err
	}
	return s.cluster.As(account, migrates...)
}
