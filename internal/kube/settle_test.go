package kube

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func TestSettleHasThreeOutcomes(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "rollouts"}, "web", errors.New("changed"))
	gone := apierrors.NewNotFound(schema.GroupResource{Resource: "rollouts"}, "web")
	broken := errors.New("boom")
	for name, test := range map[string]struct {
		changed bool
		answer  error
		cause   error
		after   time.Duration

		next    ctrl.Result
		writes  int
		written bool
		err     error
	}{
		"nothing changed and nothing is due: wait":               {},
		"nothing changed but something is due: look again":       {after: time.Minute, next: ctrl.Result{RequeueAfter: time.Minute}},
		"a change is written":                                    {changed: true, writes: 1, written: true},
		"a failed write elsewhere does not lose the status":      {changed: true, cause: broken, writes: 1, written: true, err: broken},
		"a conflict elsewhere is looked at again without a word": {changed: true, cause: fmt.Errorf("scaling: %w", conflict), writes: 1, written: true, next: ctrl.Result{RequeueAfter: lookAgain}},
		"a conflict of the status is looked at again":            {changed: true, answer: conflict, after: time.Minute, writes: 1, next: ctrl.Result{RequeueAfter: lookAgain}},
		"what is due sooner than a conflict's look comes first":  {changed: true, answer: conflict, after: time.Millisecond, writes: 1, next: ctrl.Result{RequeueAfter: time.Millisecond}},
		"an error beside a conflict is still an error":           {cause: errors.Join(conflict, errors.Join(conflict, broken)), err: broken},
		"a failed status write backs off":                        {changed: true, answer: broken, writes: 1, err: broken},
		"an object that is gone needs nothing more":              {changed: true, answer: gone, writes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			observed := &v1alpha1.Rollout{ObjectMeta: metav1.ObjectMeta{Name: "web", ResourceVersion: "7"}}
			settled := observed.DeepCopy()
			if test.changed {
				settled.Status.StableRS = "abc"
			}
			writes := 0
			write := func(context.Context, client.Object, client.Patch) error { writes++; return test.answer }
			next, written, err := Settle(t.Context(), write, observed, settled, test.after, test.cause)
			if next != test.next || written != test.written || writes != test.writes || !errors.Is(err, test.err) {
				t.Errorf("got %+v, written %t, %d writes, error %v", next, written, writes, err)
			}
			if apierrors.IsConflict(err) {
				t.Errorf("a conflict is reported: %v", err)
			}
		})
	}
}

func TestSettleWritesOnlyWhatDiffersAndOnlyOnWhatWasObserved(t *testing.T) {
	observed := &v1alpha1.Rollout{ObjectMeta: metav1.ObjectMeta{Name: "web", ResourceVersion: "7"}}
	observed.Status.StableRS, observed.Status.ControllerPause = "abc", true
	settled := observed.DeepCopy()
	settled.Status.ControllerPause = false
	var sent string
	write := func(_ context.Context, o client.Object, p client.Patch) error {
		data, err := p.Data(o)
		sent = string(data)
		return err
	}
	if _, _, err := Settle(t.Context(), write, observed, settled, 0, nil); err != nil {
		t.Fatal(err)
	}
	if want := `{"metadata":{"resourceVersion":"7"},"status":{"controllerPause":null}}`; sent != want {
		t.Errorf("sent %s, want %s", sent, want)
	}
}
