package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/test/line"
	"github.com/sluice-delivery/sluice/test/process"
	"github.com/sluice-delivery/sluice/test/soak"
)

const (
	// recovery is how long a controller may take to go on once its API server is itself again. What lasts longest is a lease that its holder
	// could not give back: whoever comes next watches it for 15 seconds.
	recovery = 30 * time.Second
	// mostAttempts is how many requests a controller may make in vain while a pod is replaced: whoever fails waits longer each time.
	mostAttempts = 500
)

// say answers requests of a kind in the API server's place.
func say(which func(*http.Request) bool, code int, reason metav1.StatusReason) line.Answer {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !which(r) || strings.Contains(r.URL.Path, "/leases/") {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		if code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(code)
		status := metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
			Reason: reason, Code: int32(code), Message: "the test says so"}
		_ = json.NewEncoder(w).Encode(status) // whoever hung up wanted no answer
		return true
	}
}

func anything(*http.Request) bool { return true }

func changes(r *http.Request) bool { return r.Method != http.MethodGet }

// continues tells a watch, or a list, that goes on from what its client has seen before.
func continues(r *http.Request) bool { return r.URL.Query().Get("resourceVersion") != "" }

// TestAControllerBehindATroubledLineHarmsNobodyAndGoesOnAfterwards does what group 30 of the hostile inputs lists. Meanwhile the Rollout is
// under load, a user promotes it, and a pod is killed.
func TestAControllerBehindATroubledLineHarmsNobodyAndGoesOnAfterwards(t *testing.T) {
	for name, trouble := range map[string]func(*testing.T, *line.Line){
		"the line is cut": func(_ *testing.T, l *line.Line) { l.Cut() },
		"it is stalled":   func(_ *testing.T, l *line.Line) { l.Stall() },
		"it is cut while etcd is compacted": func(t *testing.T, l *line.Line) {
			l.Cut()
			if err := suite.cluster.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"there are too many requests":       func(_ *testing.T, l *line.Line) { l.Say(say(anything, 429, metav1.StatusReasonTooManyRequests)) },
		"the server fails":                  func(_ *testing.T, l *line.Line) { l.Say(say(anything, 500, metav1.StatusReasonInternalError)) },
		"the server answers too late":       func(_ *testing.T, l *line.Line) { l.Say(say(anything, 504, metav1.StatusReasonTimeout)) },
		"every write meets a conflict":      func(_ *testing.T, l *line.Line) { l.Say(say(changes, 409, metav1.StatusReasonConflict)) },
		"what was seen before is long gone": func(_ *testing.T, l *line.Line) { l.Say(say(continues, 410, metav1.StatusReasonExpired)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behind(t, strings.ReplaceAll(name, " ", "-"), trouble)
		})
	}
}

func behind(t *testing.T, name string, trouble func(*testing.T, *line.Line)) {
	t.Helper()
	l, start := lined(t, name)
	controller := start()
	v := newVictim(t, soakCanary, name)
	follow(t, v)
	v.load(t)
	v.suffer(t, soak.Operation{Kind: soak.Release})
	await(t, v.rollout, "it pauses at 20 %", paused)

	trouble(t, l)
	troubles := l.Troubles()
	v.suffer(t, soak.Operation{Kind: soak.Promote})
	v.suffer(t, soak.Operation{Kind: soak.KillPod})
	stable := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: v.rollout.Namespace, Name: "web-" + v.rollout.Status.StableRS}}
	await(t, stable, "the killed pod is replaced", func(s *appsv1.ReplicaSet) bool { return s.Status.AvailableReplicas == soak.Smallest })
	await(t, v.rollout, "the controller has met the trouble", func(*v1alpha1.Rollout) bool { return l.Troubles() > troubles })

	if n := l.Troubles() - troubles; n > mostAttempts {
		t.Errorf("the controller tried %d times in vain", n)
	}
	l.Heal()
	healed := time.Now()
	select {
	case <-controller.Ended(): // its lease was lost on a slow machine; as everywhere, somebody starts it again
		start()
	default:
	}
	await(t, v.rollout, "the promote is obeyed", func(r *v1alpha1.Rollout) bool { return *r.Status.CurrentStepIndex > 1 })
	t.Logf("obeyed %s after the trouble was over, after %d attempts in vain", time.Since(healed).Round(10*time.Millisecond), l.Troubles()-troubles)
	if took := time.Since(healed); took > recovery {
		t.Errorf("it took %s", took)
	}
	v.suffer(t, soak.Operation{Kind: soak.PromoteFull})
	await(t, v.rollout, "version 2 is healthy", healthy)
	v.judge(t)
}

// lined lays a line for a controller, and gives what starts it at the line's end.
func lined(t *testing.T, name string) (*line.Line, func() *process.Process) {
	t.Helper()
	l, err := line.New(suite.cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	kubeconfig, err := accountConfig(name, l)
	if err != nil {
		t.Fatal(err)
	}
	started := 0
	return l, func() *process.Process {
		t.Helper()
		started++
		p, _, _, err := launchController(fmt.Sprintf("%s-%d", name, started), name, kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		endWith(t, p)
		return p
	}
}

// endWith sees that a controller ends with its test, whether or not it has ended before.
func endWith(t *testing.T, p *process.Process) {
	t.Cleanup(func() {
		if err := p.End(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(p.Story())
		}
	})
}

// TestALongPartitionEndsTheControllerAndTheNextOneWaitsForItsServer cuts a controller off for longer than its lease lasts, starts it again as
// a kubelet would while it still is, and heals the line.
func TestALongPartitionEndsTheControllerAndTheNextOneWaitsForItsServer(t *testing.T) {
	t.Parallel()
	l, start := lined(t, "cut-off")
	first := start()
	v := newVictim(t, soakBlueGreen, "cut-off")
	follow(t, v)
	v.load(t)
	v.suffer(t, soak.Operation{Kind: soak.Release})
	await(t, v.rollout, "it waits for a promote", paused)
	l.Cut()
	v.suffer(t, soak.Operation{Kind: soak.Promote})
	select {
	case <-first.Ended():
	case <-time.After(patience):
		t.Fatal("the controller works on without its lease")
	}
	troubles := l.Troubles()
	second := start()
	await(t, v.rollout, "the next controller has looked for its server", func(*v1alpha1.Rollout) bool { return l.Troubles() > troubles+5 })
	select {
	case <-second.Ended():
		t.Error("the next controller gives up where it should wait")
	default:
	}
	l.Heal()
	healed := time.Now()
	await(t, v.rollout, "the promote is obeyed", healthy)
	t.Logf("obeyed %s after the partition was over", time.Since(healed).Round(10*time.Millisecond))
	if took := time.Since(healed); took > recovery {
		t.Errorf("it took %s", took)
	}
	v.judge(t)
}

// TestALeaderWhoseWritesArriveTooLateChangesNothing holds back what a leader sends until another leads, and delivers it then.
func TestALeaderWhoseWritesArriveTooLateChangesNothing(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			instance := "late-" + name
			l, start := lined(t, instance)
			first := start()
			v := newVictim(t, kind, instance)
			follow(t, v)
			v.load(t)
			second, _, err := startController(t.Context(), instance+"-second", instance)
			if err != nil {
				t.Fatal(err)
			}
			endWith(t, second)
			v.suffer(t, soak.Operation{Kind: soak.Release})
			if name == "canary" {
				awaitSet(t, v) // the first is in the middle of its work, elsewhere at its beginning
			}
			troubles := l.Troubles()
			l.Hold()
			await(t, v.rollout, "the first has written what does not arrive", func(*v1alpha1.Rollout) bool { return l.Troubles() > troubles })
			await(t, v.rollout, "the second goes on with the release", paused)
			led := time.Now()
			v.suffer(t, soak.Operation{Kind: soak.PromoteFull})
			select {
			case <-first.Ended():
			case <-time.After(patience):
				t.Error("the first controller does not end")
			}
			l.Heal()
			await(t, v.rollout, "version 2 is healthy", healthy)
			v.judge(t)
			allRefused(t, instance, led)
		})
	}
}

// awaitSet waits until the new revision has a ReplicaSet.
func awaitSet(t *testing.T, v *victim) {
	t.Helper()
	for deadline := time.Now().Add(patience); len(v.look(t).sets) < v.newest; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the new revision has no ReplicaSet")
		}
	}
}

// allRefused sees that writes of a process arrived after some time, and that none of them was accepted.
func allRefused(t *testing.T, name string, since time.Time) {
	t.Helper()
	var late []request
	awaitRequests(t, "what was held back arrives", func(all []request) bool {
		late = slices.DeleteFunc(all, func(r request) bool { return r.process() != name || !r.At.After(since) || !r.isWrite() })
		return len(late) > 0
	})
	for _, sent := range late {
		if sent.ResponseStatus.Code < 300 {
			t.Errorf("%s of %s was accepted from %s", sent, sent.ObjectRef.Name, name)
		}
	}
	t.Logf("too late came %v", late)
}
