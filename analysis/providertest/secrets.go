package providertest

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/sluice-delivery/sluice/analysis/credential"
)

// Own is the namespace of the controller in the contract.
const Own = "sluice-system"

// Store makes a store with one Secret.
func Store(t *testing.T, namespace, name string, data map[string]string) credential.Store {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{}}
	for key, value := range data {
		secret.Data[key] = []byte(value + "\n") // as kubectl makes it from a file
	}
	return credential.Store{Live: fake.NewClientBuilder().WithObjects(secret).Build(), Namespace: Own}
}
