package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// eventBurst is how many events one object may have at once; a long release with many steps has more than client-go's 25.
	eventBurst = 200
	// eventRate is how many events per second one object may have after that.
	eventRate = 0.2
	// eventsAlike is how many events of one reason with different texts are kept apart within ten minutes.
	// client-go lumps together more than ten, but each completed step has a text of its own that people look for.
	eventsAlike = 200
)

// NewBroadcaster sends events to sink as core/v1 Events, which kubectl describe and existing dashboards read.
// The newer events API would fold all events of one reason into the first one's text.
func NewBroadcaster(ctx context.Context, sink typedcorev1.EventsGetter) record.EventBroadcaster {
	b := record.NewBroadcaster(record.WithContext(ctx), record.WithCorrelatorOptions(record.CorrelatorOptions{
		BurstSize: eventBurst, QPS: eventRate, MaxEvents: eventsAlike,
	}))
	b.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: sink.Events("")})
	return b
}

// NewRecorder makes the recorder of one of our controllers.
func NewRecorder(b record.EventBroadcaster, scheme *runtime.Scheme) record.EventRecorderLogger {
	return b.NewRecorder(scheme, corev1.EventSource{Component: "sluice-controller"})
}

// Tell tells people one thing: as an event of o, and as a line in the log that ctx carries.
func Tell(ctx context.Context, events record.EventRecorder, o runtime.Object, eventType, reason, message string) {
	events.Event(o, eventType, reason, message)
	logf.FromContext(ctx).Info(message, "reason", reason, "type", eventType)
}
