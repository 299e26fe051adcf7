//go:build conformance

package gatewayapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/trafficrouting"
)

// vector is one case of routes.jsonl: routes, what was done to them, and what the reference made of it.
type vector struct {
	ID, Note                     string
	StableService, CanaryService string
	ManagedRoutes                []string
	Config                       json.RawMessage
	Routes                       []map[string]any
	Operations                   []struct {
		SetWeight           *int32
		SetHeaderRoute      *v1alpha1.SetHeaderRoute
		SetMirrorRoute      *v1alpha1.SetMirrorRoute
		RemoveManagedRoutes bool
	}
	Expect struct {
		Routes []struct {
			Kind, Name string
			Labels     map[string]string
			Spec       map[string]any
		}
		Errors  []string
		Updates int
	}
}

func vectors(t *testing.T) []vector {
	t.Helper()
	folder := os.Getenv("VECTORS")
	if folder == "" {
		t.Fatal("VECTORS names no folder: run make conformance VECTORS=<folder>")
	}
	data, err := os.ReadFile(filepath.Join(folder, "routes.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []vector
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var c vector
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}

// documented reads which cases differ on purpose, and in what.
func documented(t *testing.T) map[string]string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/compatibility/routes.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (route-\d+) \| ([^|]+) \| ([^|]+) \|$`).FindAllStringSubmatch(string(doc), -1) {
		if found[row[1]] != "" || strings.TrimSpace(row[3]) == "" {
			t.Errorf("docs/compatibility/routes.md lists %s twice or without a reason", row[1])
		}
		found[row[1]] = strings.TrimSpace(row[2])
	}
	return found
}

func TestRoutesAgreeWithTheReference(t *testing.T) {
	onPurpose := documented(t)
	cases := vectors(t)
	agree := 0
	for _, c := range cases {
		want, listed := onPurpose[c.ID]
		delete(onPurpose, c.ID)
		if !listed {
			agree++
		}
		t.Run(c.ID+" "+c.Note, func(t *testing.T) {
			if got := strings.Join(differences(t, c), ", "); got != want {
				t.Errorf("it differs in %q, and docs/compatibility/routes.md says %q", got, want)
			}
		})
	}
	for id := range onPurpose {
		t.Errorf("docs/compatibility/routes.md lists %s, which is no case", id)
	}
	t.Logf("conformance: routes %d/%d agree, %d differ on purpose", agree, len(cases), len(cases)-agree)
}

// differences plays a case and tells in what the outcome differs.
func differences(t *testing.T, c vector) []string {
	var objects []*unstructured.Unstructured
	for _, o := range c.Routes {
		objects = append(objects, object(t, encode(t, o)))
	}
	cl := newCluster(t, objects...)
	var failed []bool
	for _, err := range play(t, cl, c) {
		failed = append(failed, err != nil)
	}
	found := map[string]bool{"writes": len(cl.patches) > c.Expect.Updates}
	for i, message := range c.Expect.Errors {
		if failed[i] != (message != "") {
			found["errors"] = true
		}
	}
	for _, want := range c.Expect.Routes {
		got := cl.read(want.Kind, "v1", "default", want.Name)
		if !slices.Equal(pairs(want.Labels), pairs(got.GetLabels())) {
			found["labels"] = true
		}
		wantRules, gotRules := normalised(t, want.Spec), normalised(t, got.Object["spec"])
		if !slices.Equal(wantRules, gotRules) {
			t.Logf("rules (-reference +ours):\n%s", cmp.Diff(wantRules, gotRules))
			slices.Sort(wantRules)
			slices.Sort(gotRules)
			found[map[bool]string{true: "order", false: "rules"}[slices.Equal(wantRules, gotRules)]] = true
		}
	}
	var in []string
	for _, aspect := range []string{"labels", "order", "rules", "errors", "writes"} {
		if found[aspect] {
			in = append(in, aspect)
		}
	}
	return in
}

// play applies a split for each operation of the case, because the router takes nothing but whole splits.
func play(t *testing.T, cl *cluster, c vector) []error {
	routing := &v1alpha1.RolloutTrafficRouting{Plugins: map[string]apiextensionsv1.JSON{v1alpha1.PluginGatewayAPI: {Raw: c.Config}}}
	for _, name := range c.ManagedRoutes {
		routing.ManagedRoutes = append(routing.ManagedRoutes, v1alpha1.ManagedRoute{Name: name})
	}
	r := &v1alpha1.Rollout{}
	r.Namespace, r.Name = "default", "rollout"
	r.Spec.Strategy.Canary = &v1alpha1.CanaryStrategy{StableService: c.StableService, CanaryService: c.CanaryService, TrafficRouting: routing}
	s := trafficrouting.Split{Stable: trafficrouting.Share{Service: c.StableService}, Canary: trafficrouting.Share{Service: c.CanaryService}}
	before, err := cl.router().Observe(t.Context(), r, s)
	if err != nil {
		t.Logf("before: %v", err)
	}
	s.Canary.Weight, s.Stable.Weight = before.Lowest, 100-before.Lowest
	var errs []error
	for _, operation := range c.Operations {
		switch {
		case operation.SetWeight != nil:
			s.Canary.Weight, s.Stable.Weight = *operation.SetWeight, 100-*operation.SetWeight
		case operation.SetHeaderRoute != nil:
			set := *operation.SetHeaderRoute
			s.Headers = append(slices.DeleteFunc(s.Headers, func(h v1alpha1.SetHeaderRoute) bool { return h.Name == set.Name }), set)
		case operation.SetMirrorRoute != nil:
			set := *operation.SetMirrorRoute
			s.Mirrors = append(slices.DeleteFunc(s.Mirrors, func(m v1alpha1.SetMirrorRoute) bool { return m.Name == set.Name }), set)
		case operation.RemoveManagedRoutes:
			s.Headers, s.Mirrors = nil, nil
		}
		err := cl.router().Apply(t.Context(), r, s)
		if err != nil {
			t.Logf("operation: %v", err)
		}
		errs = append(errs, err)
	}
	return errs
}

func pairs(labels map[string]string) []string {
	var all []string
	for k, v := range labels {
		all = append(all, k+"="+v)
	}
	slices.Sort(all)
	return all
}

// normalised gives the rules of a spec as lines of JSON, with what the API server would fill in taken out.
func normalised(t *testing.T, spec any) []string {
	o := object(t, encode(t, map[string]any{"apiVersion": "v1", "kind": "X", "spec": spec}))
	list, _, err := unstructured.NestedSlice(o.Object, "spec", "rules")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range list {
		for _, ref := range backends(r) {
			dropDefaults(ref, map[string]any{"group": "", "kind": "Service", "weight": int64(1)})
		}
		matches, _ := r.(map[string]any)["matches"].([]any)
		for _, match := range matches {
			headers, _ := match.(map[string]any)["headers"].([]any)
			for _, h := range headers {
				dropDefaults(h.(map[string]any), map[string]any{"type": "Exact"})
			}
		}
		lines = append(lines, encode(t, r))
	}
	return lines
}

func dropDefaults(object, defaults map[string]any) {
	for key, value := range defaults {
		if object[key] == value {
			delete(object, key)
		}
	}
}
