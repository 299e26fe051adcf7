package integration

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/test/process"
	"github.com/sluice-delivery/sluice/test/soak"
	"github.com/sluice-delivery/sluice/test/world/load"
)

var (
	soakSeed       = flag.Uint64("seed", 1, "`seed` of the random operations under load")
	soakOperations = flag.Int("operations", 40, "`number` of random operations under load")
)

const (
	// soakInstance is served by two controllers that the soak may end as it likes.
	soakInstance    = "soak"
	soakControllers = 2
	// podCapacity is what one pod can serve, in requests per second, and loadShare the part of the capacity of a whole Rollout that is asked for.
	podCapacity = 8
	loadShare   = 0.9
	// calmEvery is the number of operations after which every Rollout has to come to rest.
	calmEvery = 25
	// leastLeft is how many pods of a revision a kill leaves: with one alone, no controller could help the requests until the next is ready.
	leastLeft = 2
)

// soaking is one run: what it is done to, and what was done.
type soaking struct {
	t           *testing.T
	begun       time.Time
	victims     []*victim
	controllers [soakControllers]*process.Process
	started     int
	done        []string
	counts      map[soak.Kind]int
}

// TestRandomOperationsUnderLoadLoseNoRequest does whatever comes to three Rollouts at 90 % of their capacity. A pod is killed as kubectl delete
// does it, with its time of grace: a pod that is shot fails the requests that it holds, whatever a controller does.
func TestRandomOperationsUnderLoadLoseNoRequest(t *testing.T) {
	s := &soaking{t: t, begun: time.Now(), counts: map[soak.Kind]int{}}
	t.Logf("%d operations of seed %d; to repeat them: make soak SEED=%[2]d OPERATIONS=%[1]d", *soakOperations, *soakSeed)
	t.Cleanup(s.tell)
	for i := range s.controllers {
		s.startController(i)
	}
	t.Cleanup(s.stopControllers)
	for _, kind := range []string{"canary", "dynamic", "blue-green"} {
		s.victims = append(s.victims, newVictim(t, kinds[kind], soakInstance))
	}
	follow(t, s.victims...)
	for _, v := range s.victims {
		v.load(t)
	}
	for _, o := range soak.Draw(*soakSeed, *soakOperations, len(s.victims), soakControllers) {
		s.perform(o)
		for _, v := range s.victims {
			v.judge(t)
			v.grow(t)
			if o.Number%calmEvery == 0 {
				v.calm(t)
			}
		}
	}
	s.finish()
}

// perform does one operation, and lets its rest pass: the load goes on meanwhile.
func (s *soaking) perform(o soak.Operation) {
	s.done = append(s.done, fmt.Sprintf("%s %s", time.Now().Format("15:04:05.000"), o))
	s.counts[o.Kind]++
	switch o.Kind {
	case soak.KillController:
		s.killController(o.On)
	case soak.RestartController:
		if err := s.controllers[o.On].Stop(); err != nil {
			s.t.Fatal(err)
		}
		s.startController(o.On)
	default:
		s.victims[o.On].suffer(s.t, o)
	}
	select {
	case <-time.After(o.Rest):
	case <-s.t.Context().Done():
	}
}

func (s *soaking) startController(i int) {
	s.t.Helper()
	s.started++
	p, _, err := startController(s.t.Context(), fmt.Sprintf("soak-%d", s.started), soakInstance)
	if err != nil {
		s.t.Fatal(err)
	}
	s.controllers[i] = p
}

func (s *soaking) killController(i int) {
	s.t.Helper()
	shoot(s.t, s.controllers[i])
	s.startController(i)
}

// shoot ends a process without a word.
func shoot(t *testing.T, p *process.Process) {
	t.Helper()
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
}

func (s *soaking) stopControllers() {
	for _, p := range s.controllers {
		if p == nil {
			continue
		}
		if err := p.Stop(); err != nil {
			s.t.Error(err)
		}
	}
}

// finish sees that every Rollout still comes to its end.
func (s *soaking) finish() {
	s.t.Helper()
	for _, v := range s.victims {
		command(s.t, v.rollout, `{"status":{"promoteFull":true}}`)
	}
	for _, v := range s.victims {
		await(s.t, v.rollout, "the last version is healthy in the end", healthy)
	}
	for _, v := range s.victims {
		v.driver.Stop()
		v.judge(s.t)
		sum := v.driver.Between(time.Time{}, time.Time{})
		s.t.Logf("%s: %d requests, %d failed, %d lost, 0 misrouted, of %d versions", v.name(), sum.Sent, sum.Failed, sum.Lost, len(sum.Versions))
	}
	s.t.Logf("%d operations in %s: %v", len(s.done), time.Since(s.begun).Round(time.Second), s.counts)
}

// tell prints what led to a failure.
func (s *soaking) tell() {
	if !s.t.Failed() {
		return
	}
	s.t.Logf("seed %d; the last operations:\n%s", *soakSeed, strings.Join(s.done[max(0, len(s.done)-20):], "\n"))
	for i := max(1, s.started-3); i <= s.started; i++ {
		name := fmt.Sprintf("soak-%d", i)
		s.t.Logf("controller %s:\n%s", name, process.Tail([]byte(outputOf(name)), 60))
	}
}

// soakTemplate is a pod of a version that has a capacity. It takes longer to become ready than a rush can be made up for, so that whoever sends
// requests to pods before they are there fails some.
func soakTemplate(version int) runtime.RawExtension {
	plain := string(template(fmt.Sprintf("app:v%d", version)).Raw)
	return runtime.RawExtension{Raw: []byte(strings.Replace(plain, `"name":"web",`, fmt.Sprintf(`"name":"web",
		"env":[{"name":"CAPACITY","value":"%d"},{"name":"LATENCY","value":"20ms"}],
		"readinessProbe":{"httpGet":{"path":"/readyz","port":8080},"initialDelaySeconds":2},`, podCapacity), 1))}
}

// kinds are the Rollouts that operations come to, by name.
var kinds = map[string]func(namespace string) (*v1alpha1.Rollout, []client.Object){
	"canary": soakCanary, "dynamic": soakDynamic, "blue-green": soakBlueGreen,
}

func soakCanary(namespace string) (*v1alpha1.Rollout, []client.Object) {
	r, around := routed(namespace, soak.Smallest, append(append(weights(20), hold), append(weights(60), pause("2s"), hold)...)...)
	r.Spec.Template, r.Spec.Strategy.Canary.AbortScaleDownDelaySeconds = soakTemplate(1), ptr.To[int32](1)
	return r, around
}

func soakDynamic(namespace string) (*v1alpha1.Rollout, []client.Object) {
	r, around := soakCanary(namespace)
	c := r.Spec.Strategy.Canary
	c.AbortScaleDownDelaySeconds, c.ScaleDownDelaySeconds, c.DynamicStableScale = nil, nil, true
	return r, around
}

func soakBlueGreen(namespace string) (*v1alpha1.Rollout, []client.Object) {
	r, around := blueGreen(namespace)
	r.Spec.Template = soakTemplate(1)
	r.Spec.Replicas = ptr.To[int32](soak.Smallest)
	r.Spec.Strategy.BlueGreen.ScaleDownDelaySeconds = ptr.To[int32](3)
	return r, around
}

// loadOf is the load of a Rollout of so many pods, in requests per second.
func loadOf(size int32) float64 { return float64(size) * podCapacity * loadShare }

// load begins to send requests. It goes on until the run is over.
func (v *victim) load(t *testing.T) {
	t.Helper()
	answers(t, v.rollout.Namespace, "v1", nil)
	ctx, cancel := context.WithCancel(t.Context())
	d, err := load.Start(ctx, load.Options{
		URL: suite.world.Gateway.URL, Host: v.rollout.Namespace + ".example.com", Rate: loadOf(v.size), AtOnce: 512, For: time.Hour, Requests: 2_000_000,
	})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	v.driver = d
}

// isReady says whether a pod takes requests.
func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil
		}
	}
	return false
}
