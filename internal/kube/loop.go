package kube

import (
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// A pass that failed is tried again after firstBackoff, which doubles with each failure up to lastBackoff.
const (
	firstBackoff = 5 * time.Millisecond
	lastBackoff  = 10 * time.Second
)

// LoopOptions are those of every loop: a panic harms only its own object, a pass that hangs ends after passLimit, a failed one is
// tried again within seconds, and the log names the object.
func LoopOptions(mgr ctrl.Manager, name string, atOnce int, passLimit time.Duration) controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: atOnce,
		ReconciliationTimeout:   passLimit,
		RecoverPanic:            ptr.To(true),
		LogConstructor: func(r *reconcile.Request) logr.Logger {
			log := mgr.GetLogger().WithValues("controller", name)
			if r != nil {
				log = log.WithValues("namespace", r.Namespace, "name", r.Name)
			}
			return log
		},
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackoff, lastBackoff),
	}
}
