package kubetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/rest"
)

// Kind is a kind that a Server knows.
type Kind struct {
	schema.GroupVersionKind
	// Plural is its name in paths; the kind in lower case with an s if empty.
	Plural string
	// Cluster is true for kinds without namespaces.
	Cluster bool
}

func (k Kind) plural() string {
	if k.Plural != "" {
		return k.Plural
	}
	return strings.ToLower(k.Kind) + "s"
}

// Server is an API server in memory: objects of the Kinds that it knows with resource versions, generations, uids, finalizers and server-side apply
// (lists are atomic in it), and discovery. It watches nothing. Each request is one of its Calls.
type Server struct {
	Calls
	Kinds []Kind
	// Now stamps what is created and deleted.
	Now func() time.Time
	// Refuse gives the error with which the server answers a write of an object; nil accepts it.
	Refuse func(*unstructured.Unstructured) error

	mu      sync.Mutex
	version int
	objects map[string]*stored
	born    []string
}

// stored is an object and what each manager applied to it.
type stored struct {
	object  *unstructured.Unstructured
	applied map[string]map[string]any
}

// Config is the way to the server for clients.
func (s *Server) Config() *rest.Config {
	return &rest.Config{
		Host: "http://server.example", QPS: -1, Transport: s, ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON, AcceptContentTypes: runtime.ContentTypeJSON},
	}
}

// Objects are copies of all objects, by path.
func (s *Server) Objects() map[string]*unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]*unstructured.Unstructured{}
	for path, o := range s.objects {
		all[path] = o.object.DeepCopy()
	}
	return all
}

// Born lists every object that was ever created, as kind and name, sorted.
func (s *Server) Born() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.born))
}

// Fork is a server of its own with the same objects, and no calls yet.
func (s *Server) Fork() *Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	fork := &Server{Kinds: s.Kinds, Now: s.Now, Refuse: s.Refuse, version: s.version, objects: map[string]*stored{}}
	for path, o := range s.objects {
		fork.objects[path] = &stored{o.object.DeepCopy(), maps.Clone(o.applied)}
	}
	return fork
}

// request is one question, or one order, to the server.
type request struct {
	verb, path, name string
	kind             Kind
	query            func(string) string
	patch            string
	body             []byte
}

// RoundTrip answers a request without a network.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	q, err := s.read(r)
	if err != nil {
		return nil, err
	}
	var answer any
	err = s.Do(q.title(), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		answer, err = s.answer(q)
		return err
	})
	code := http.StatusOK
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &status):
		said := status.Status()
		said.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
		code, answer = int(said.Code), said
	case err != nil:
		return nil, err
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(code), StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {runtime.ContentTypeJSON}}, Body: io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text)),
	}, nil
}

// read finds out what is asked.
func (s *Server) read(r *http.Request) (q request, err error) {
	q = request{verb: strings.ToLower(r.Method), path: r.URL.Path, query: r.URL.Query().Get, patch: r.Header.Get("Content-Type")}
	if r.Body != nil {
		if q.body, err = io.ReadAll(r.Body); err != nil {
			return q, err
		}
	}
	q.path = strings.TrimSuffix(q.path, "/status")
	for _, k := range s.Kinds {
		rest, of := strings.CutPrefix(q.path, root(k.GroupVersion()))
		if !of {
			continue
		}
		parts := strings.Split(strings.Trim(rest, "/"), "/")
		if !k.Cluster && len(parts) > 2 && parts[0] == "namespaces" {
			parts = parts[2:]
		}
		if parts[0] != k.plural() || len(parts) > 2 {
			continue
		}
		q.kind = k
		if len(parts) == 2 {
			q.name = parts[1]
		} else if q.verb == "get" {
			q.verb = "list"
		}
		return q, nil
	}
	return q, nil
}

func root(v schema.GroupVersion) string {
	if v.Group == "" {
		return "/api/" + v.Version
	}
	return "/apis/" + v.Group + "/" + v.Version
}

func (q request) title() string {
	what := strings.TrimSpace(q.verb + " " + q.kind.Kind + " " + q.name)
	switch {
	case q.kind.Kind == "":
		return q.verb + " " + q.path
	case q.query("dryRun") != "":
		return "try to " + what
	}
	return what
}

// answer does what is asked. An answer is an object, a list, or what discovery says.
func (s *Server) answer(q request) (any, error) {
	if q.kind.Kind == "" {
		return s.discover(q.path)
	}
	resource := schema.GroupResource{Group: q.kind.Group, Resource: q.kind.plural()}
	known := s.objects[q.path]
	switch {
	case q.verb == "list":
		return s.list(q)
	case q.verb == "post":
		return s.create(q)
	case known == nil && q.verb == "patch" && q.patch == "application/apply-patch+yaml":
		return s.patched(q, &stored{applied: map[string]map[string]any{}})
	case known == nil:
		return nil, apierrors.NewNotFound(resource, q.name)
	case q.verb == "patch", q.verb == "put":
		return s.patched(q, known)
	case q.verb == "delete":
		return s.remove(q, known)
	}
	return known.object.Object, nil
}

func (s *Server) list(q request) (any, error) {
	selector, err := labels.Parse(q.query("labelSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	items := []any{}
	for _, path := range slices.Sorted(maps.Keys(s.objects)) {
		o := s.objects[path].object
		inside := strings.HasPrefix(path, q.path+"/") || !strings.Contains(q.path, "/namespaces/")
		if o.GroupVersionKind() == q.kind.GroupVersionKind && inside && selector.Matches(labels.Set(o.GetLabels())) {
			items = append(items, o.Object)
		}
	}
	list := map[string]any{"apiVersion": q.kind.GroupVersion().String(), "kind": q.kind.Kind + "List", "items": items}
	list["metadata"] = map[string]any{"resourceVersion": fmt.Sprint(s.version)}
	return list, nil
}

func (s *Server) create(q request) (any, error) {
	o := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(q.body, &o.Object); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	path := q.path + "/" + o.GetName()
	if s.objects[path] != nil {
		return nil, apierrors.NewAlreadyExists(schema.GroupResource{Group: q.kind.Group, Resource: q.kind.plural()}, o.GetName())
	}
	q.path = path
	o.SetGroupVersionKind(q.kind.GroupVersionKind)
	return s.store(q, &stored{applied: map[string]map[string]any{}}, o)
}

func (s *Server) remove(q request, known *stored) (any, error) {
	var options metav1.DeleteOptions
	if len(q.body) > 0 {
		if err := json.Unmarshal(q.body, &options); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	}
	if p := options.Preconditions; p != nil && (p.UID != nil && *p.UID != known.object.GetUID() ||
		p.ResourceVersion != nil && *p.ResourceVersion != known.object.GetResourceVersion()) {
		return nil, conflict(q)
	}
	if len(known.object.GetFinalizers()) == 0 {
		delete(s.objects, q.path)
		return known.object.Object, nil
	}
	if known.object.GetDeletionTimestamp() != nil {
		return known.object.Object, nil
	}
	o := known.object.DeepCopy()
	now := metav1.NewTime(s.Now().Truncate(time.Second))
	o.SetDeletionTimestamp(&now)
	return s.store(q, known, o)
}

func conflict(q request) error {
	return apierrors.NewConflict(schema.GroupResource{Group: q.kind.Group, Resource: q.kind.plural()}, q.name, errors.New("the object has been modified"))
}

// discover answers what kinds there are.
func (s *Server) discover(path string) (any, error) {
	switch path {
	case "/version":
		return map[string]any{"gitVersion": "v1.37.0"}, nil
	case "/api":
		return metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}, nil
	case "/apis":
		return s.groups(), nil
	}
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}}
	for _, k := range s.Kinds {
		if root(k.GroupVersion()) == path {
			list.GroupVersion = k.GroupVersion().String()
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: k.plural(), Kind: k.Kind, Namespaced: !k.Cluster, Verbs: metav1.Verbs{"get", "list"}})
		}
	}
	if list.GroupVersion == "" {
		return nil, apierrors.NewNotFound(anything, path)
	}
	return list, nil
}

func (s *Server) groups() metav1.APIGroupList {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for _, k := range s.Kinds {
		if k.Group == "" || slices.ContainsFunc(list.Groups, func(g metav1.APIGroup) bool { return g.Name == k.Group }) {
			continue
		}
		version := metav1.GroupVersionForDiscovery{GroupVersion: k.GroupVersion().String(), Version: k.Version}
		list.Groups = append(list.Groups, metav1.APIGroup{Name: k.Group, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version})
	}
	return list
}

// Edit changes the objects of a kind as others do, and reports whether that changed anything. It is no call.
func (s *Server) Edit(kind string, change func(*unstructured.Unstructured)) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(s.objects)) {
		known := s.objects[path]
		if known.object.GetKind() != kind {
			continue
		}
		o := known.object.DeepCopy()
		change(o)
		s.stamp(known.object, o)
		if equality.Semantic.DeepEqual(known.object.Object, o.Object) {
			continue
		}
		changed = true
		o.SetResourceVersion(s.next())
		s.objects[path] = &stored{o, known.applied}
		if o.GetDeletionTimestamp() != nil && len(o.GetFinalizers()) == 0 {
			delete(s.objects, path)
		}
	}
	return changed
}
