package cluster

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

const (
	control = "argocd"
	paris   = "https://paris.example.com"
)

// clusterSecret is a Secret of a cluster with a token.
func clusterSecret(name, server string, change ...func(*corev1.Secret)) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: control, Name: name, Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeCluster}},
		Data:       map[string][]byte{"server": []byte(server), "name": []byte(name), "config": []byte(`{"bearerToken": "one"}`)},
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func of(key, value string) func(*corev1.Secret) {
	return func(s *corev1.Secret) { s.Data[key] = []byte(value) }
}

func frozen(s *corev1.Secret) {
	s.Annotations = map[string]string{gitopsv1.AnnotationSkipReconcile: "true"}
}

func newSet(t *testing.T, secrets ...client.Object) *Set {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return &Set{
		Local: &rest.Config{Host: "https://here.example.com"}, Secrets: fake.NewClientBuilder().WithScheme(scheme).WithObjects(secrets...).Build(),
		Namespace: control, Changed: func(string, string) {}, Context: t.Context(),
	}
}

func TestADestinationIsFoundByItsServerOrItsName(t *testing.T) {
	mine := &gitopsv1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}
	mine.Spec.PermitOnlyProjectScopedClusters = true
	for name, test := range map[string]struct {
		secrets []client.Object
		to      gitopsv1.Destination
		project *gitopsv1.AppProject
		// server is the one that is found; problem is what is said otherwise.
		server, problem string
		frozen          bool
	}{
		"the cluster of the controller needs no Secret": {to: gitopsv1.Destination{Name: "in-cluster"}, server: gitopsv1.InClusterServer},
		"a Secret may give it another name":             {secrets: []client.Object{clusterSecret("here", gitopsv1.InClusterServer)}, to: gitopsv1.Destination{Name: "here"}, server: gitopsv1.InClusterServer},
		"a slash at the end does not matter":            {secrets: []client.Object{clusterSecret("paris", paris+"/")}, to: gitopsv1.Destination{Server: paris}, server: paris},
		"by its name":                                   {secrets: []client.Object{clusterSecret("paris", paris)}, to: gitopsv1.Destination{Name: "paris"}, server: paris},
		"two of a name": {
			secrets: []client.Object{clusterSecret("a", paris, of("name", "same")), clusterSecret("b", paris+"2", of("name", "same"))},
			to:      gitopsv1.Destination{Name: "same"}, problem: "there are 2 clusters with the name same",
		},
		"nobody knows it":     {to: gitopsv1.Destination{Server: paris}, problem: "there is no cluster " + paris},
		"no destination":      {problem: "destination server or name is missing"},
		"none of the project": {secrets: []client.Object{clusterSecret("paris", paris)}, to: gitopsv1.Destination{Name: "paris"}, project: mine, problem: "permits only its own clusters"},
		"one of the project":  {secrets: []client.Object{clusterSecret("paris", paris, of("project", "mine"))}, to: gitopsv1.Destination{Name: "paris"}, project: mine, server: paris},
		"a program to run":    {secrets: []client.Object{clusterSecret("paris", paris, of("config", `{"execProviderConfig": {}}`))}, to: gitopsv1.Destination{Name: "paris"}, problem: "run programs"},
		"no JSON":             {secrets: []client.Object{clusterSecret("paris", paris, of("config", "one"))}, to: gitopsv1.Destination{Name: "paris"}, problem: "no JSON"},
		"one that is frozen":  {secrets: []client.Object{clusterSecret("paris", paris, frozen)}, to: gitopsv1.Destination{Name: "paris"}, frozen: true},
		"the own one, frozen": {secrets: []client.Object{clusterSecret("here", gitopsv1.InClusterServer, frozen)}, to: gitopsv1.Destination{Server: gitopsv1.InClusterServer}, frozen: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, identity, err := newSet(t, test.secrets...).Find(t.Context(), test.to, test.project)
			if errors.Is(err, ErrFrozen) != test.frozen || err != nil && !test.frozen {
				t.Fatalf("error %v", err)
			}
			if !test.frozen && (!strings.Contains(identity.Problem, test.problem) || (identity.Problem == "") != (test.problem == "")) {
				t.Errorf("problem %q", identity.Problem)
			}
			if c != nil && c.Identity.Server != test.server || (c != nil) != (test.server != "") {
				t.Errorf("cluster %+v", c)
			}
		})
	}
}

func TestASecretConfinesACluster(t *testing.T) {
	for _, server := range []string{paris, gitopsv1.InClusterServer} {
		for name, test := range map[string]struct {
			change []func(*corev1.Secret)
			// here, there and above tell whether objects of two namespaces, and of none, are in reach.
			here, there, above bool
		}{
			"to nothing":            {here: true, there: true, above: true},
			"to namespaces":         {change: []func(*corev1.Secret){of("namespaces", "here, and-here,")}, here: true},
			"but for what is above": {change: []func(*corev1.Secret){of("namespaces", "here"), of("clusterResources", "true")}, here: true, above: true},
		} {
			t.Run(name+" at "+server, func(t *testing.T) {
				c, identity, err := newSet(t, clusterSecret("one", server, test.change...)).Find(t.Context(), gitopsv1.Destination{Name: "one"}, nil)
				if err != nil || identity.Problem != "" || c == nil {
					t.Fatalf("%+v, %v", identity, err)
				}
				if here, there, above := identity.Confines(true, "here"), identity.Confines(true, "there"), identity.Confines(false, ""); (here == "") != test.here ||
					(there == "") != test.there || (above == "") != test.above {
					t.Errorf("here %q, there %q, above %q", here, there, above)
				}
			})
		}
	}
}

func TestAConnectionIsKeptUntilItsSecretChanges(t *testing.T) {
	s := newSet(t, clusterSecret("paris", paris))
	find := func() *Cluster {
		t.Helper()
		c, identity, err := s.Find(t.Context(), gitopsv1.Destination{Name: "paris"}, nil)
		if err != nil || identity.Problem != "" {
			t.Fatalf("%+v, %v", identity, err)
		}
		return c
	}
	first := find()
	if find() != first {
		t.Error("the same Secret makes another connection")
	}
	if err := s.Secrets.(client.Client).Update(t.Context(), clusterSecret("paris", paris, of("config", `{"bearerToken": "two"}`))); err != nil {
		t.Fatal(err)
	}
	second := find()
	if second == first || second.config.BearerToken != "two" {
		t.Error("another Secret makes no other connection")
	}
	if err := s.Secrets.(client.Client).Delete(t.Context(), clusterSecret("paris", paris)); err != nil {
		t.Fatal(err)
	}
	if _, identity, err := s.Find(t.Context(), gitopsv1.Destination{Name: "in-cluster"}, nil); err != nil || identity.Problem != "" || s.open[paris] != nil {
		t.Errorf("the connection outlives its Secret: %+v, %v", identity, err)
	}
}
