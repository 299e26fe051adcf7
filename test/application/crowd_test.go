package application

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/suite"
)

// crowd is how many Applications of four objects come at once.
const crowd = 150

const small = `
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME-1}
data: {a: "VALUE"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME-2}
data: {a: "VALUE"}
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {ports: [{port: 80, targetPort: 8080}], selector: {app: NAME}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME}`

func TestACrowdOfApplicationsConverges(t *testing.T) {
	commit := func(i int, value string) {
		name := fmt.Sprintf("crowd-%d", i)
		shared.repo.pushTo(name, fmt.Sprintf("%s-%d", value, i), strings.NewReplacer("NAME", name, "VALUE", value).Replace(small))
	}
	begun := time.Now()
	for i := range crowd {
		commit(i, "first")
		app(t, fmt.Sprintf("crowd-%d", i), "destination: {namespace: crowd}\nsyncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}\n")
	}
	all := func(value string) func() bool {
		return func() bool {
			var list gitopsv1.ApplicationList
			if err := shared.admin.List(t.Context(), &list, client.InNamespace(control)); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, a := range list.Items {
				if strings.HasPrefix(a.Name, "crowd-") && a.Status.Sync.Status == gitopsv1.SyncSynced && a.Status.Health.Status == gitopsv1.HealthHealthy &&
					strings.HasPrefix(a.Status.Sync.Revision, value+"-") && a.Operation == nil {
					n++
				}
			}
			return n == crowd
		}
	}
	suite.Eventually(t, "the crowd is synced", all("first"))
	t.Logf("%d applications of four objects were synced %s after the first of them was created", crowd, time.Since(begun))
	begun = time.Now()
	for i := range crowd {
		commit(i, "second")
	}
	suite.Eventually(t, "the second commit is synced", all("second"))
	t.Logf("a commit for all of them was synced %s later", time.Since(begun))
}
