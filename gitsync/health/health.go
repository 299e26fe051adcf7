package health

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/glob"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/gitsync/health/script"
)

// Custom are the checks of one team or cluster, by the kinds that they judge: group/Kind, or Kind alone in the core group. A * in a group or a
// kind stands for any text.
type Custom struct {
	// Lua are scripts that find the object as obj and return a table with status and message.
	Lua map[string]string
	// Rules are lists of Rule in YAML.
	Rules map[string]string
}

// Checks judges objects. It is safe for concurrent use.
type Checks struct {
	exact map[string]check
	globs []pattern
}

// check judges an object of its kind; no status means that there is nothing to judge. An error says why it cannot tell.
type check func(o *unstructured.Unstructured, now time.Time) (gitsync.Health, error)

// pattern is a check for the kinds that match.
type pattern struct {
	text        string
	group, kind glob.Glob
	check       check
}

// New makes the checks that are built in and those of a team, which win. A check of a team that cannot be read makes the objects of its kind
// Unknown and says why, and changes nothing for others.
func New(custom Custom) *Checks {
	c := &Checks{exact: map[string]check{}}
	for kinds, source := range custom.Lua {
		c.add(kinds, scripted(kinds, source))
	}
	for kinds, text := range custom.Rules {
		if _, twice := custom.Lua[kinds]; twice {
			c.add(kinds, failing(fmt.Errorf("there are both rules and a script for %s; keep one of them", kinds)))
			continue
		}
		c.add(kinds, ruled(text))
	}
	return c
}

func (c *Checks) add(kinds string, check check) {
	group, kind := split(kinds)
	if !strings.Contains(kinds, "*") {
		c.exact[key(group, kind)] = check
		return
	}
	groups, err := glob.Compile(group)
	if err != nil {
		return // whoever reads the settings refuses patterns that are none
	}
	names, err := glob.Compile(kind)
	if err != nil {
		return
	}
	c.globs = append(c.globs, pattern{text: kinds, group: groups, kind: names, check: check})
	// The pattern that leaves least open comes first.
	slices.SortFunc(c.globs, func(a, b pattern) int {
		return cmp.Or(len(strings.ReplaceAll(b.text, "*", ""))-len(strings.ReplaceAll(a.text, "*", "")), strings.Compare(a.text, b.text))
	})
}

// split gives the group and the kind of group/Kind; the core group has no name.
func split(kinds string) (group, kind string) {
	group, kind, found := strings.Cut(kinds, "/")
	if !found {
		return "", group
	}
	return group, kind
}

func key(group, kind string) string { return group + "/" + kind }

// of finds the check for a kind: the team's own first, those for exactly that kind before those for several.
func (c *Checks) of(group, kind string) check {
	if check := c.exact[key(group, kind)]; check != nil {
		return check
	}
	for _, p := range c.globs {
		if p.group.Match(group) && p.kind.Match(kind) {
			return p.check
		}
	}
	return nil
}

// Assess judges one object. One on its way out is Progressing, unless our hook finalizer holds it, so that its outcome can be seen.
func (c *Checks) Assess(o *unstructured.Unstructured, now time.Time) gitsync.Health {
	if o.GetDeletionTimestamp() != nil && !slices.Contains(o.GetFinalizers(), gitopsv1.FinalizerHook) {
		return gitsync.Health{Status: gitsync.Progressing, Message: "Pending deletion"}
	}
	kind := o.GroupVersionKind()
	check := c.of(kind.Group, kind.Kind)
	if check == nil {
		check = builtIn().of(kind.Group, kind.Kind)
	}
	if check == nil {
		check = conventional
	}
	h, err := check(o, now)
	if err != nil {
		problem := bounded(fmt.Sprintf("the health of %s %s cannot be told: %v", kind.Kind, o.GetName(), err))
		return gitsync.Health{Status: gitsync.Unknown, Message: problem, Problem: problem}
	}
	h.Message = bounded(h.Message)
	if h.Status == gitsync.Healthy && lags(o) {
		return gitsync.Health{Status: gitsync.Progressing, Message: fmt.Sprintf("waiting for generation %d to be observed", o.GetGeneration())}
	}
	return h
}

// longestMessage is how many bytes of a message are kept, because an Application holds those of all its objects.
const longestMessage = 2048

func bounded(message string) string {
	if len(message) <= longestMessage {
		return message
	}
	return strings.ToValidUTF8(message[:longestMessage], "") + "..."
}

// lags reports whether an object says that it was last looked at in an older generation. Some controllers write something else than a number.
func lags(o *unstructured.Unstructured) bool {
	observed, found := number(o.Object, "status", "observedGeneration")
	return found && observed < float64(o.GetGeneration())
}

// failing is the check of a kind whose own cannot be used.
func failing(why error) check {
	return func(*unstructured.Unstructured, time.Time) (gitsync.Health, error) { return gitsync.Health{}, why }
}

// verdicts are the states that a script or a rule may give.
var verdicts = []gitsync.HealthStatus{gitsync.Healthy, gitsync.Suspended, gitsync.Progressing, gitsync.Missing, gitsync.Degraded, gitsync.Unknown}

// scripted judges by a script in Lua.
func scripted(kinds, source string) check {
	program, err := script.Compile(kinds, source)
	if err != nil {
		return failing(err)
	}
	return func(o *unstructured.Unstructured, now time.Time) (gitsync.Health, error) {
		result, err := program.Run(script.Input{Globals: map[string]any{"obj": o.Object}, Now: now})
		if err != nil {
			return gitsync.Health{}, err
		}
		table, _ := result.(map[string]any)
		status, _ := table["status"].(string)
		if !slices.Contains(verdicts, gitsync.HealthStatus(status)) {
			return gitsync.Health{}, fmt.Errorf("the script returned no table whose status is one of %v", verdicts)
		}
		message, _ := table["message"].(string)
		return gitsync.Health{Status: gitsync.HealthStatus(status), Message: message}, nil
	}
}
