package kube

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
)

func TestThePassesOverAnObjectAreCountedUntilItIsGone(t *testing.T) {
	p := NewPasses("thing", "a thing")
	key := types.NamespacedName{Namespace: "prod", Name: "web"}
	pass := func(err error) error {
		_, err = p.Measure(key, func() (ctrl.Result, error) { return ctrl.Result{}, err })
		return err
	}
	failure := errors.New("no")
	if err := errors.Join(pass(nil), pass(failure)); !errors.Is(err, failure) {
		t.Errorf("a pass that fails gives %v", err)
	}
	if took, failed := testutil.CollectAndCount(p, "thing_reconcile"), testutil.ToFloat64(p.failed); took != 1 || failed != 1 {
		t.Errorf("%d series of passes, %v failures", took, failed)
	}
	if err := pass(ErrGone); err != nil {
		t.Errorf("an object that is gone is an error: %v", err)
	}
	if left := testutil.CollectAndCount(p); left != 0 {
		t.Errorf("%d series of an object that is gone", left)
	}
}
