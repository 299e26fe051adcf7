package credential

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func store(problem error) Store {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "own", Name: "keys"},
		Data:       map[string][]byte{"key": []byte(" value\n"), "blank": []byte("\n")},
	}
	live := fake.NewClientBuilder().WithObjects(secret).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
			if problem != nil {
				return problem
			}
			return c.Get(ctx, key, into, options...)
		},
	}).Build()
	return Store{Live: live, Namespace: "own"}
}

func TestAKeyIsReadWithoutBlanksAroundIt(t *testing.T) {
	keys, err := store(nil).Own(t.Context(), "keys")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := keys.Need("key"); got != "value" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, missing := range []string{"blank", "other"} {
		if _, err := keys.Need(missing); err == nil || err.Error() != "secret own/keys has no key "+missing {
			t.Errorf("the error is %v", err)
		}
		if got := keys.Get(missing); got != "" {
			t.Errorf("%s is %q", missing, got)
		}
	}
}

func TestWhatKeepsFromReadingIsExplained(t *testing.T) {
	secrets := corev1.Resource("secrets")
	for name, test := range map[string]struct {
		problem error
		change  func(*Store)
		want    string
	}{
		"no right":     {problem: apierrors.NewForbidden(secrets, "keys", errors.New("no")), want: "the controller may not read secret own/keys: grant its ServiceAccount the verb get on it, by name"},
		"no Secret":    {problem: apierrors.NewNotFound(secrets, "keys"), want: "secret own/keys is not there"},
		"no server":    {problem: errors.New("connection refused"), want: "reading secret own/keys: connection refused"},
		"no namespace": {change: func(s *Store) { s.Namespace = "" }, want: "the controller does not know its own namespace, where secret keys would be"},
	} {
		t.Run(name, func(t *testing.T) {
			s := store(test.problem)
			if test.change != nil {
				test.change(&s)
			}
			if _, err := s.Own(t.Context(), "keys"); err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
