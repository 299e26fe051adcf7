package application

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

func labelled(namespace, kind string, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "one", Labels: map[string]string{gitopsv1.LabelSecretType: kind}}, Data: map[string][]byte{}}
	for key, value := range data {
		s.Data[key] = []byte(value)
	}
	return s
}

func TestASecretOfAClusterOrARepositoryLooksAtTheApplicationsThatNeedIt(t *testing.T) {
	c := newController(t, interceptor.Funcs{})
	for name, test := range map[string]struct {
		secret *corev1.Secret
		wakes  bool
	}{
		"the cluster by its server":             {labelled("argocd", "cluster", map[string]string{"server": gitopsv1.InClusterServer + "/"}), true},
		"another cluster":                       {labelled("argocd", "cluster", map[string]string{"server": "https://other", "name": "other"}), false},
		"the repository in another spelling":    {labelled("argocd", "repository", map[string]string{"url": "https://git.example.com/Org/repo"}), true},
		"another repository":                    {labelled("argocd", "repository", map[string]string{"url": "https://git.example.com/org/other"}), false},
		"a template of the repository":          {labelled("argocd", "repo-creds", map[string]string{"url": "https://git.example.com/org"}), true},
		"the cluster, from another namespace":   {labelled("shop", "cluster", map[string]string{"server": gitopsv1.InClusterServer}), false},
		"a Secret that is about something else": {labelled("argocd", "", map[string]string{"server": gitopsv1.InClusterServer}), false},
		"a repository Secret only for writing":  {labelled("argocd", "repository-write", map[string]string{"url": "https://git.example.com/org/repo"}), false},
	} {
		got := c.ofSecret(t.Context(), test.secret)
		if wakes := len(got) == 1 && got[0].NamespacedName == shop; wakes != test.wakes || len(got) > 1 {
			t.Errorf("%s gives %v", name, got)
		}
	}
}

func TestASecretThatIsOnlyStampedAnewLooksAtNothing(t *testing.T) {
	before := labelled("argocd", "cluster", map[string]string{"server": "https://one"})
	after := before.DeepCopy()
	after.Annotations, after.ResourceVersion = map[string]string{"refreshed": "now"}, "2"
	if otherContent.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}) {
		t.Error("a time stamp counts as a change")
	}
	after.Annotations[gitopsv1.AnnotationSkipReconcile] = "true"
	if !otherContent.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}) {
		t.Error("that a cluster is frozen does not count as a change")
	}
	after = before.DeepCopy()
	after.Data["config"] = []byte("{}")
	if !otherContent.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}) {
		t.Error("other data do not count as a change")
	}
}
