package kube

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestAKindWhoseListDoesNotArriveIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Patience{}
		arrived := false
		missing := apierrors.NewNotFound(schema.GroupResource{Resource: "tcproutes"}, "web")
		read := func(ctx context.Context) error {
			if arrived {
				return missing
			}
			<-ctx.Done()
			return apierrors.NewTimeoutError("not synced", 0)
		}
		for i, want := range []time.Duration{syncWait, 0, 0} {
			begun := time.Now()
			if err := p.Read(t.Context(), "TCPRoute", read); !apierrors.IsTimeout(err) {
				t.Errorf("read %d gives %v", i, err)
			}
			if took := time.Since(begun); took != want {
				t.Errorf("read %d took %s and not %s", i, took, want)
			}
		}
		arrived = true
		if err := p.Read(t.Context(), "TCPRoute", read); err != missing { //nolint:errorlint // not even wrapped
			t.Errorf("with the list there, a read gives %v", err)
		}
		if left := p.left("TCPRoute"); left != syncWait {
			t.Errorf("the next read would wait %s", left)
		}
	})
}

func TestAReadThatItsCallerEndsSaysNothingOfItsKind(t *testing.T) {
	p := &Patience{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := p.Read(ctx, "HTTPRoute", func(context.Context) error { return apierrors.NewTimeoutError("ended", 0) })
	if err == nil || p.left("HTTPRoute") != syncWait {
		t.Errorf("error %v, and the next read waits %s", err, p.left("HTTPRoute"))
	}
}
