package application

import (
	"fmt"
	"net/http"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/line"
	"github.com/sluice-delivery/sluice/test/suite"
)

// reflectors counts the kinds that are watched, or tried to be, in this process.
func reflectors(t *testing.T) int {
	t.Helper()
	var stacks strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&stacks, 2); err != nil {
		t.Fatal(err)
	}
	return strings.Count(stacks.String(), "cache.(*Reflector).RunWithContext(")
}

func TestAKindThatIsDeletedAndComesBackIsHealedAndWatchedAgain(t *testing.T) {
	parts := strings.SplitN(strings.ReplaceAll(gadget, "NAME", "phoenix"), "\n---\n", 3)
	shared.repo.pushTo("defines-phoenix", "defines-phoenix-1", parts[0])
	ended(t, automatic(t, "defines-phoenix", ""), "defines-phoenix-1", gitopsv1.OperationSucceeded)
	shared.repo.pushTo("phoenix", "phoenix-1", parts[1])
	a := app(t, "phoenix", "syncPolicy: {automated: {selfHeal: true}, syncOptions: [CreateNamespace=true]}\n")
	tellOnFailure(t, a)
	ended(t, a, "phoenix-1", gitopsv1.OperationSucceeded)
	near := automatic(t, "beside-phoenix", "")
	commit := func(n string) {
		t.Helper()
		shared.repo.pushTo("beside-phoenix", "beside-phoenix-"+n, strings.ReplaceAll(sharedObject, "VALUE", n))
		ended(t, near, "beside-phoenix-"+n, gitopsv1.OperationSucceeded)
	}
	commit("one")
	before := reflectors(t)

	definition, one := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "phoenixs.example.com"), object("example.com/v1", "phoenix", "phoenix", "one")
	first := read(t, definition).GetUID()
	old := read(t, one).GetUID()
	if err := shared.admin.Delete(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	commit("two")
	suite.Eventually(t, "the definition is healed", func() bool { return exists(t, definition) && definition.GetUID() != first })
	suite.Eventually(t, "the object is healed", func() bool {
		read(t, a) // for who reads why it is not
		err := shared.admin.Get(t.Context(), client.ObjectKeyFromObject(one), one)
		return err == nil && one.GetUID() != old
	})
	patch(t, one, `{"spec":{"a":2}}`)
	suite.Eventually(t, "its drift is healed", func() bool { return field(t, one, "spec", "a") == int64(1) })
	suite.Eventually(t, "as many kinds are watched as before", func() bool { return reflectors(t) <= before })
}

const (
	expired    = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410,"message":"too old resource version"}`
	compaction = `{"type":"ERROR","object":` + expired + "}\n"
)

func TestWatchesThatTheServerEndsAreMadeUpFor(t *testing.T) {
	for name, test := range map[string]struct {
		code int
		text string
	}{
		"expired":   {http.StatusGone, expired},
		"compacted": {http.StatusOK, compaction},
	} {
		t.Run(name, func(t *testing.T) {
			l := remote(t, name)
			shared.repo.pushTo(name, name+"-1", strings.ReplaceAll(sharedObject, "VALUE", "git"))
			a := app(t, name, fmt.Sprintf("destination: {name: %s, server: \"\"}\nsyncPolicy: {automated: {selfHeal: true}}\n", name))
			tellOnFailure(t, a)
			ended(t, a, name+"-1", gitopsv1.OperationSucceeded)
			settings := object("v1", "ConfigMap", name, "settings")
			l.Say(endWatches(test.code, test.text))
			suite.Eventually(t, "watches are ended", func() bool { return l.Troubles() >= ends })
			patch(t, settings, `{"data":{"of":"somebody"}}`)
			suite.Eventually(t, "the drift is healed", func() bool { return field(t, settings, "data", "of") == "git" })
		})
	}
}

// ends is how many watches endWatches ends before it lets them live.
const ends = 3

// endWatches answers what asks for a watch.
func endWatches(code int, text string) line.Answer {
	var ended atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("watch") == "" || ended.Add(1) > ends {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(text)) // who hung up needs no answer
		return true
	}
}
