package application

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/line"
	"github.com/sluice-delivery/sluice/test/suite"
)

const sharedObject = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {of: VALUE}"

// remote makes the API server known as another cluster, to which a line leads, and makes a namespace there; both have one name.
func remote(t *testing.T, name string) *line.Line {
	t.Helper()
	l, err := line.New(shared.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	create(t, namespace(name), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: control, Name: name, Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeCluster}},
		StringData: map[string]string{
			"name": name, "server": l.URL, "config": fmt.Sprintf(`{"tlsClientConfig":{"caData":%q}}`, base64.StdEncoding.EncodeToString(l.CA)),
		},
	})
	return l
}

func TestADestinationThatIsGoneComesBackAndHarmsNoOtherMeanwhile(t *testing.T) {
	for name, trouble := range map[string]func(*line.Line){
		"cut":     (*line.Line).Cut,
		"hole":    (*line.Line).Stall,
		"refuses": func(l *line.Line) { l.Say(unauthorized) },
	} {
		t.Run(name, func(t *testing.T) {
			l := remote(t, name)
			commit := func(who, n string) string {
				shared.repo.pushTo(who, who+n, strings.ReplaceAll(sharedObject, "VALUE", who+n))
				return who + n
			}
			first := commit(name+"-far", "1")
			far := app(t, name+"-far", fmt.Sprintf("destination: {name: %s, server: \"\", namespace: %s}\nsyncPolicy: {automated: {}}\n", name, name))
			tellOnFailure(t, far)
			ended(t, far, first, gitopsv1.OperationSucceeded)
			near := automatic(t, name+"-near", "")
			trouble(l)
			second := commit(name+"-far", "2")
			ended(t, near, commit(name+"-near", "1"), gitopsv1.OperationSucceeded)
			suite.Eventually(t, "the far one has been tried", func() bool { return l.Troubles() > 0 })
			ended(t, near, commit(name+"-near", "2"), gitopsv1.OperationSucceeded)
			if of := field(t, object("v1", "ConfigMap", name, "settings"), "data", "of"); of != first {
				t.Fatalf("the far one was synced as if nothing were wrong: %v", of)
			}
			l.Heal()
			suite.Eventually(t, "the far one is synced", func() bool {
				return field(t, object("v1", "ConfigMap", name, "settings"), "data", "of") == second
			})
		})
	}
}

// unauthorized is what a server says to credentials that it does not know.
func unauthorized(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401,"message":"Unauthorized"}`))
	return true
}
