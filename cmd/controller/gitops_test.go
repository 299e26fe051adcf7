package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// gitopsOn makes Git-sync on a cluster that has a namespace, and whose lists fail for one kind.
func gitopsOn(t *testing.T, namespace string, fails client.ObjectList, with error) *gitops {
	t.Helper()
	scheme := kruntime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), gitopsv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	gvk, err := kindOf(fails, scheme)
	if err != nil {
		t.Fatal(err)
	}
	live := fake.NewClientBuilder().WithScheme(scheme).WithObjects(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}).
		WithInterceptorFuncs(interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if asked, err := kindOf(list, scheme); err != nil || asked == gvk {
				return errors.Join(err, with)
			}
			return c.List(ctx, list, opts...)
		}}).Build()
	return &gitops{options: options{gitopsNamespace: "argocd"}, live: live, scheme: scheme}
}

func kindOf(list client.ObjectList, scheme *kruntime.Scheme) (schema.GroupVersionKind, error) {
	kinds, _, err := scheme.ObjectKinds(list)
	if err != nil {
		return schema.GroupVersionKind{}, err
	}
	return kinds[0], nil
}

func TestWhatGitsyncLacksIsSaidWithWhatToDo(t *testing.T) {
	applications := schema.GroupResource{Group: "argoproj.io", Resource: "applications"}
	for name, test := range map[string]struct {
		namespace string
		fails     client.ObjectList
		with      error
		want      string
	}{
		"nothing": {namespace: "argocd", fails: &gitopsv1.ApplicationList{}},
		"a kind": {
			"argocd", &gitopsv1.ApplicationSetList{}, &meta.NoKindMatchError{GroupKind: gitopsv1.ApplicationSetKind.GroupKind()},
			"the cluster does not know the kind ApplicationSet: apply config/crd, or switch Git-sync off with --gitops-namespace=",
		},
		"a right": {
			"argocd", &gitopsv1.ApplicationList{}, apierrors.NewForbidden(applications, "", nil),
			"there is no right to read objects of the kind Application: apply config/gitops, or switch Git-sync off with --gitops-namespace=",
		},
		"its namespace": {
			"elsewhere", &gitopsv1.ApplicationList{}, nil,
			"the namespace argocd does not exist: create it, or switch Git-sync off with --gitops-namespace=",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := gitopsOn(t, test.namespace, test.fails, test.with).missing(t.Context())
			if err != nil || got != test.want {
				t.Errorf("%q, error %v", got, err)
			}
		})
	}
}

func TestAnAPIServerThatFailsIsNoLack(t *testing.T) {
	_, err := gitopsOn(t, "argocd", &gitopsv1.AppProjectList{}, errors.New("it is on fire")).missing(t.Context())
	if err == nil || !strings.Contains(err.Error(), "looking for objects of the kind AppProject: it is on fire") {
		t.Errorf("error %v", err)
	}
}

func TestTheControlNamespaceIsServedWhateverNamespacesAreNamed(t *testing.T) {
	all := gitopsCache(options{gitopsNamespace: "argocd", namespaces: []string{"shop"}})
	for object, of := range all.ByObject {
		if _, served := of.Namespaces["argocd"]; !served {
			t.Errorf("%T is not cached in the control namespace", object)
		}
		if _, secret := object.(*corev1.Secret); secret && (len(of.Namespaces) != 1 || of.Namespaces["argocd"].LabelSelector == nil) {
			t.Error("Secrets are cached that have no label for Git-sync")
		}
	}
}

func TestOnlySettingsKeepTheirContent(t *testing.T) {
	for name, kept := range map[string]bool{gitopsv1.ConfigMapKnownHosts: true, "anything": false} {
		got, err := settingsOnly(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"a": "b"}})
		if err != nil || (len(got.(*corev1.ConfigMap).Data) > 0) != kept {
			t.Errorf("%s: %v, error %v", name, got, err)
		}
	}
}
