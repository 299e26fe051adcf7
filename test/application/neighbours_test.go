package application

import (
	"slices"
	"strings"
	"testing"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/suite"
)

func TestTwoApplicationsOnOneObjectDoNotFight(t *testing.T) {
	create(t, namespace("shared"))
	both := func(name, options string) *gitopsv1.Application {
		shared.repo.pushTo(name, name+"-1", strings.ReplaceAll(sharedObject, "VALUE", name))
		a := app(t, name, "destination: {namespace: shared}\nsyncPolicy: {automated: {prune: true, selfHeal: true}, retry: {}, syncOptions: ["+options+"]}\n")
		tellOnFailure(t, a)
		return a
	}
	first := both("holder", "")
	ended(t, first, "holder-1", gitopsv1.OperationSucceeded)
	settled := func(a *gitopsv1.Application, want gitopsv1.SyncStatusCode) {
		t.Helper()
		suite.Eventually(t, a.Name+" is settled: "+string(want), func() bool {
			s := read(t, a).(*gitopsv1.Application).Status
			return s.Sync.Status == want && s.Sync.Revision == a.Name+"-1" && s.Health.Status == gitopsv1.HealthHealthy && a.Operation == nil
		})
	}
	settled(first, gitopsv1.SyncSynced)
	settings := object("v1", "ConfigMap", "shared", "settings")
	before := read(t, settings).GetResourceVersion()

	second := both("claimant", "")
	settled(second, gitopsv1.SyncOutOfSync)
	suite.Eventually(t, "the second says that the object is the first's", func() bool {
		return slices.ContainsFunc(read(t, second).(*gitopsv1.Application).Status.Conditions, func(c gitopsv1.ApplicationCondition) bool {
			return c.Type == gitopsv1.ConditionSharedResourceWarning && c.Message == "ConfigMap/settings is part of applications argocd/claimant and holder"
		})
	})
	// By itself none takes the object away; somebody's own sync does, unless that is forbidden.
	third := both("demander", "FailOnSharedResource=true")
	patch(t, third, `{"operation":{"sync":{}}}`)
	r := ended(t, third, "demander-1", gitopsv1.OperationFailed)["ConfigMap/settings"]
	if !strings.HasPrefix(r.Message, "Shared resource found: ") {
		t.Errorf("%+v", r)
	}
	// At rest, while a neighbour goes through all the passes of its first sync, nothing is written.
	versions := func() string {
		return read(t, settings).GetResourceVersion() + " " + read(t, first).GetResourceVersion() + " " + read(t, second).GetResourceVersion()
	}
	rest := versions()
	shared.repo.pushTo("shared-beside", "shared-beside-1", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: beside}")
	beside := app(t, "shared-beside", "destination: {namespace: shared}\nsyncPolicy: {automated: {}}\n")
	ended(t, beside, "shared-beside-1", gitopsv1.OperationSucceeded)
	if now := versions(); now != rest || !strings.HasPrefix(now, before+" ") {
		t.Errorf("the object was written as %s, and then everything as %s and as %s", before, rest, now)
	}
	if of := field(t, settings, "data", "of"); of != "holder" {
		t.Errorf("the object is the %v's", of)
	}
	// Once the first is gone with what it made, the second makes the object.
	if err := shared.admin.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	suite.Eventually(t, "the object is the second's", func() bool {
		return !exists(t, first) && exists(t, settings) && settings.GetAnnotations()[gitopsv1.AnnotationTrackingID] == "claimant:/ConfigMap:shared/settings"
	})
}
