package health

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/golden"
)

var now = time.Date(2026, 3, 2, 9, 30, 5, 0, time.UTC)

func read(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	json, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(json); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return o
}

// TestVerdictsOnLiveObjects reads files of objects, each below a comment that says what it shows, and holds the verdicts against those written below.
func TestVerdictsOnLiveObjects(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	checks := New(Custom{})
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			for document := range strings.SplitSeq(string(text), "\n---\n") {
				title, _, _ := strings.Cut(strings.TrimSpace(document), "\n")
				h := checks.Assess(read(t, document), now)
				verdict := string(h.Status)
				if verdict == "" {
					verdict = "no health"
				}
				out.WriteString(strings.TrimPrefix(title, "# ") + ": " + strings.TrimSuffix(verdict+", "+h.Message, ", ") + "\n")
			}
			golden.Compare(t, strings.TrimSuffix(file, ".yaml")+".golden", out.String())
		})
	}
}

func TestEveryRuleOfTheTablesCanBeCompiled(t *testing.T) {
	entries, err := readTables()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if _, err := compile(e.Rules); err != nil {
			t.Errorf("%v: %v", e.For, err)
		}
		for i, r := range e.Rules {
			if r.When == "" && i != len(e.Rules)-1 {
				t.Errorf("%v: nothing after rule %d can ever hold", e.For, i+1)
			}
		}
		for _, kinds := range e.For {
			if seen[kinds] {
				t.Errorf("%s stands in the tables twice", kinds)
			}
			seen[kinds] = true
		}
	}
	if len(seen) < 150 {
		t.Errorf("only %d kinds", len(seen))
	}
}

func TestWhatStillShowsAnOlderGenerationIsNeverHealthy(t *testing.T) {
	const lagging = "metadata: {name: a, generation: 7}\nstatus: {observedGeneration: 6, phase: Running, conditions: [{type: Ready, status: \"True\"}]}\n"
	checks := New(Custom{
		Lua:   map[string]string{"example.com/Scripted": `return {status = "Healthy"}`},
		Rules: map[string]string{"example.com/Ruled": `[{is: Healthy, when: '"Ready" in met'}]`},
	})
	for _, kind := range []string{"example.com/v1\nkind: Scripted", "example.com/v1\nkind: Ruled", "example.com/v1\nkind: Conventional", "cert-manager.io/v1\nkind: Issuer"} {
		h := checks.Assess(read(t, "apiVersion: "+kind+"\n"+lagging), now)
		if h.Status != gitsync.Progressing || h.Message != "waiting for generation 7 to be observed" {
			t.Errorf("%s: %+v", kind, h)
		}
	}
	// A failure stays one: it is told, and a newer commit is not held up by it.
	h := checks.Assess(read(t, strings.ReplaceAll("apiVersion: cert-manager.io/v1\nkind: Issuer\n"+lagging, `"True"`, `"False"`)), now)
	if h.Status != gitsync.Degraded {
		t.Errorf("%+v", h)
	}
}

func TestTheChecksOfATeamWinAndTheMostExactOnesFirst(t *testing.T) {
	checks := New(Custom{
		Lua: map[string]string{
			"apps/Deployment":  `return {status = "Suspended", message = "exactly"}`,
			"*.example.com/*":  `return {status = "Suspended", message = "widely"}`,
			"a.example.com/*":  `return {status = "Suspended", message = "by group"}`,
			"a.example.com/W*": `return {status = "Suspended", message = "by kind"}`,
		},
		Rules: map[string]string{"a.example.com/Widget": `[{is: Suspended, say: '"by rule"'}]`},
	})
	for kind, want := range map[string]string{
		"apps/v1\nkind: Deployment": "exactly", "b.example.com/v1\nkind: Widget": "widely", "a.example.com/v1\nkind: Gadget": "by group",
		"a.example.com/v1\nkind: Wheel": "by kind", "a.example.com/v1\nkind: Widget": "by rule",
	} {
		if h := checks.Assess(read(t, "apiVersion: "+kind+"\nmetadata: {name: a}"), now); h.Message != want {
			t.Errorf("%s: %+v", kind, h)
		}
	}
}

func TestACheckThatIsBrokenSaysWhyAndHarmsNoOther(t *testing.T) {
	for name, c := range map[string]struct {
		custom Custom
		want   string
	}{
		"a script of no form":              {Custom{Lua: map[string]string{"example.com/Widget": `return {`}}, "reading the script"},
		"a script that fails":              {Custom{Lua: map[string]string{"example.com/Widget": `return {status = obj.spec.a.b}`}}, "attempt to index"},
		"a script without end":             {Custom{Lua: map[string]string{"example.com/Widget": `while true do end`}}, "takes more than"},
		"a script without a verdict":       {Custom{Lua: map[string]string{"example.com/Widget": `return {}`}}, "returned no table whose status is one of"},
		"a script with a verdict of its":   {Custom{Lua: map[string]string{"example.com/Widget": `return {status = "Fine"}`}}, "returned no table whose status is one of"},
		"rules of no form":                 {Custom{Rules: map[string]string{"example.com/Widget": `is: Healthy`}}, "no list of {is, when, say}"},
		"a rule with a typo":               {Custom{Rules: map[string]string{"example.com/Widget": `[{iss: Healthy}]`}}, "no list of {is, when, say}"},
		"a rule with a verdict of its own": {Custom{Rules: map[string]string{"example.com/Widget": `[{is: Fine}]`}}, `is: "Fine" is none of`},
		"an expression of no form":         {Custom{Rules: map[string]string{"example.com/Widget": `[{is: Healthy, when: "status."}]`}}, "rule 1: when:"},
		"a name that is not there":         {Custom{Rules: map[string]string{"example.com/Widget": `[{is: Healthy, when: "obj.status == 1"}]`}}, "undeclared reference to 'obj'"},
		"a condition that is none":         {Custom{Rules: map[string]string{"example.com/Widget": `[{is: Healthy, when: "1 + 1"}]`}}, "of type int instead of bool"},
		"a message that is none":           {Custom{Rules: map[string]string{"example.com/Widget": `[{is: Healthy, say: "true"}]`}}, "of type bool instead of string"},
		"a division by nothing":            {Custom{Rules: map[string]string{"example.com/Widget": `[{is: Healthy, when: "1 / 0 == 1"}]`}}, "division by zero"},
		"both rules and a script": {Custom{Lua: map[string]string{"example.com/Widget": `return {status = "Healthy"}`}, Rules: map[string]string{"example.com/Widget": "[]"}},
			"keep one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			checks := New(c.custom)
			h := checks.Assess(read(t, "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {x: 1}"), now)
			if h.Status != gitsync.Unknown || !strings.HasPrefix(h.Problem, "the health of Widget w cannot be told: ") || !strings.Contains(h.Problem, c.want) ||
				strings.Contains(h.Problem, "\n") {
				t.Errorf("%+v", h)
			}
			if other := checks.Assess(read(t, "apiVersion: v1\nkind: Service\nmetadata: {name: s}"), now); other.Status != gitsync.Healthy {
				t.Errorf("another object is %+v", other)
			}
		})
	}
}

func TestARuleThatLooksAtWhatIsNotThereDoesNotHold(t *testing.T) {
	for when, want := range map[string]gitsync.HealthStatus{
		`status.a.b == "c"`:                          gitsync.Progressing,
		`status.a.b == "c" || status.phase == "Odd"`: gitsync.Healthy,
		`!(status.a.b == "c")`:                       gitsync.Progressing,
		`status.phase < 3`:                           gitsync.Progressing,
		`status.list[5] == 1`:                        gitsync.Progressing,
		`status.list.exists(i, i == 2)`:              gitsync.Healthy,
		`status.nothing.exists(i, i == 2)`:           gitsync.Progressing,
		`status.?a.?b.orValue("c") == "c"`:           gitsync.Healthy,
		`has(status.phase) && !has(status.other)`:    gitsync.Healthy,
		`status.size == 3.0 && status.size < 4`:      gitsync.Healthy,
		`metadata.labels["a/b"] == "c"`:              gitsync.Healthy,
		`status.phase.lowerAscii() == "odd"`:         gitsync.Healthy,
		`"a,b".split(",").join("-") == "a-b"`:        gitsync.Healthy,
		`status.phase.matches("^O.d$")`:              gitsync.Healthy,
		`"Ready" in unmet && !("Other" in met)`:      gitsync.Healthy,
		`conditions.Ready.reason == "Broken"`:        gitsync.Healthy,
	} {
		checks := New(Custom{Rules: map[string]string{"example.com/Widget": `[{is: Healthy, when: '` + when + `'}, {is: Progressing}]`}})
		h := checks.Assess(read(t, `
apiVersion: example.com/v1
kind: Widget
metadata: {name: w, labels: {a/b: c}}
status:
  phase: Odd
  nothing: null
  size: 3
  list: [1, 2]
  conditions: [{type: Ready, status: "True"}, {type: Ready, status: "False", reason: Broken}]
`), now)
		if h.Status != want {
			t.Errorf("%s: %+v", when, h)
		}
	}
}

func TestHostileRulesAreRefusedOrEndSoon(t *testing.T) {
	list := "[" + strings.TrimSuffix(strings.Repeat("1,", 1000), ",") + "]"
	for name, when := range map[string]string{
		"loops in loops":      `status.list.all(a, status.list.all(b, status.list.all(c, status.list.all(d, a + b + c + d >= 0))))`,
		"doubling of a text":  `["` + strings.Repeat("a", 500) + `"]` + strings.Repeat(".map(x, x + x)", 25) + `.size() > 0`,
		"doubling of a list":  `[[1]]` + strings.Repeat(".map(x, x + x)", 25) + `[0].size() > 0`,
		"a deep expression":   strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200),
		"a long expression":   strings.Repeat("true && ", 1000) + "true",
		"a long join":         `status.list.map(a, status.text).join(status.text) == ""`,
		"a long split":        `status.text.split("").size() > 0`,
		"a pattern of no end": `status.text.matches("(a+)+$(a+)+b")`,
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			checks := New(Custom{Rules: map[string]string{"example.com/Widget": `[{is: Healthy, when: '` + when + `'}, {is: Progressing}]`}})
			h := checks.Assess(read(t, "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nstatus: {text: "+strings.Repeat("a", 1<<20)+", list: "+list+"}"), now)
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			if h.Status == gitsync.Healthy {
				t.Errorf("%+v", h)
			}
		})
	}
}

func TestAMessageOfAnyLengthFitsIntoAStatus(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	o := read(t, "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a}\nstatus: {phase: Degraded, message: "+long+"}")
	scripted := New(Custom{Lua: map[string]string{"argoproj.io/Rollout": `return {status = "Degraded", message = obj.status.message}`}})
	for _, checks := range []*Checks{New(Custom{}), scripted} {
		h := checks.Assess(o, now)
		if h.Status != gitsync.Degraded || len(h.Message) > longestMessage+3 || !utf8.ValidString(h.Message) || !strings.HasPrefix(h.Message, "éé") {
			t.Errorf("%s with %d bytes", h.Status, len(h.Message))
		}
	}
}

func TestAnObjectOfAnyFormGetsAVerdict(t *testing.T) {
	entries, err := readTables()
	if err != nil {
		t.Fatal(err)
	}
	checks := New(Custom{})
	odd := []string{"", "status: null", "status: text", "status: []", "status: {conditions: text}", "status: {conditions: [null, text, {type: 3}]}", "spec: 3",
		"status: {phase: {a: b}, state: [], conditions: {}, observedGeneration: text}", "spec: {replicas: text, strategy: 3}\nstatus: {replicas: text, containerStatuses: [3]}"}
	for _, e := range append(entries, entry{For: []string{"apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "apps/ReplicaSet", "/Pod", "batch/Job", "/Service",
		"/PersistentVolumeClaim", "networking.k8s.io/Ingress", "autoscaling/HorizontalPodAutoscaler", "apiregistration.k8s.io/APIService", "argoproj.io/Rollout", "a.io/Other"}}) {
		for _, kinds := range e.For {
			group, kind := split(strings.ReplaceAll(kinds, "*", "a"))
			for _, rest := range odd {
				h := checks.Assess(read(t, "apiVersion: "+strings.TrimPrefix(group+"/v1", "/")+"\nkind: "+kind+"\nmetadata: {name: a, generation: 2}\n"+rest), now)
				if h.Problem != "" {
					t.Errorf("%s with %q: %s", kinds, rest, h.Problem)
				}
			}
		}
	}
}

func FuzzRulesGiveAVerdictOrSayWhyNot(f *testing.F) {
	for _, seed := range []string{`[{is: Healthy}]`, `[{is: Degraded, when: 'status.phase == "Odd"', say: status.phase}, {is: Progressing}]`, `[{is: Healthy, when: '"Ready" in met'}]`, `[]`, `{`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := New(Custom{Rules: map[string]string{"example.com/Widget": text}}).Assess(read(t, "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nstatus: {phase: Odd}"), now)
		if h.Problem != "" && h.Status != gitsync.Unknown {
			t.Errorf("%+v", h)
		}
	})
}
