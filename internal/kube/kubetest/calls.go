package kubetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// Fault is what goes wrong with one call.
type Fault struct {
	Name string
	// Err is the answer to the call; Applied tells whether the call took effect nevertheless.
	Err     error
	Applied bool
	// Dies has every later call fail too, as if the process had died, until Revive.
	Dies bool
}

var anything = schema.GroupResource{Resource: "any"}

// Passing are the ways in which a call fails without saying anything about what was asked.
var Passing = []Fault{
	{Name: "an overload", Err: apierrors.NewTooManyRequests("later", 1)},
	{Name: "a timeout before it took effect", Err: apierrors.NewTimeoutError("slow", 1)},
	{Name: "a timeout after it took effect", Err: apierrors.NewTimeoutError("slow", 1), Applied: true},
}

// Conflict is the answer to a write of what has changed since it was read.
var Conflict = Fault{Name: "a conflict", Err: apierrors.NewConflict(anything, "any", errors.New("changed"))}

// Faults are the ways in which a write goes wrong.
var Faults = append([]Fault{
	Conflict,
	{Name: "a refusal", Err: apierrors.NewForbidden(anything, "any", errors.New("no"))},
	{Name: "an object that is gone", Err: apierrors.NewNotFound(anything, "any")},
}, Passing...)

// Crash is the death of a process right after a call took effect; DeathBefore is one right before.
var (
	Crash       = Fault{Name: "a crash behind it", Err: errDead, Applied: true, Dies: true}
	DeathBefore = Fault{Name: "a crash before it", Err: errDead, Dies: true}
)

// FaultsOf are the ways in which the call of an index may fail: a read in one of several, in turn, a write in all.
func FaultsOf(call string, index int) []Fault {
	if !IsWrite(call) {
		return []Fault{Passing[index%len(Passing)]}
	}
	return append([]Fault{Crash, DeathBefore}, Faults...)
}

var errDead = errors.New("this process is dead")

// Calls lists what a controller asks of a server, and lets one of the calls go wrong. It is safe for concurrent use as long as its fields are not
// changed meanwhile.
type Calls struct {
	// Made lists them, such as "patch ReplicaSet web-abc".
	Made []string
	// Broken is the index in Made of the call that goes wrong by Fault; none does if that has no Err.
	Broken int
	Fault  Fault
	// After is called after each call that took effect.
	After func()

	mu   sync.Mutex
	dead bool
}

// Do makes one call, unless it is the broken one.
func (c *Calls) Do(what string, do func() error) error {
	c.mu.Lock()
	index, dead := len(c.Made), c.dead
	if !dead {
		c.Made = append(c.Made, what)
	}
	breaks := !dead && index == c.Broken && c.Fault.Err != nil
	if breaks {
		c.dead = c.Fault.Dies
	}
	c.mu.Unlock()
	switch {
	case dead:
		return errDead
	case breaks && !c.Fault.Applied:
		return c.Fault.Err
	}
	err := do()
	if err == nil && c.After != nil {
		c.After()
	}
	if err == nil && breaks {
		return c.Fault.Err
	}
	return err
}

// Revive lets calls through again after a Fault that Dies, and reports whether there was one.
func (c *Calls) Revive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.dead
	c.dead = false
	return was
}

// IsWrite reports whether a call of a Server, as Made lists it, changes something.
func IsWrite(call string) bool {
	verb, _, _ := strings.Cut(call, " ")
	return verb == "patch" || verb == "put" || verb == "post" || verb == "delete"
}

type outside struct{}

// Outside marks calls of the world around a controller, which count for nothing and never fail.
func Outside(ctx context.Context) context.Context { return context.WithValue(ctx, outside{}, true) }

// Changes counts the calls of a Server that change something.
func (c *Calls) Changes() (n int) {
	for _, call := range c.Made {
		if IsWrite(call) {
			n++
		}
	}
	return n
}

// Writes intercepts the writes of a client in memory, so that each is a call.
func (c *Calls) Writes() interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return c.write(ctx, "create", o, func() error { return w.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return c.write(ctx, "update", o, func() error { return w.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, w client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return c.write(ctx, "patch", o, func() error { return w.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return c.write(ctx, "delete", o, func() error { return w.Delete(ctx, o, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, w client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return c.write(ctx, "patch "+sub+" of", o, func() error { return w.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
		SubResourceCreate: func(ctx context.Context, w client.Client, sub string, o, s client.Object, opts ...client.SubResourceCreateOption) error {
			return c.write(ctx, "create "+sub+" of", o, func() error { return w.SubResource(sub).Create(ctx, o, s, opts...) })
		},
	}
}

func (c *Calls) write(ctx context.Context, verb string, o client.Object, do func() error) error {
	if ctx.Value(outside{}) != nil {
		return do()
	}
	kind := o.GetObjectKind().GroupVersionKind().Kind
	if kind == "" {
		kind = fmt.Sprintf("%T", o)
		kind = kind[strings.LastIndex(kind, ".")+1:]
	}
	return c.Do(verb+" "+kind+" "+o.GetName(), do)
}

// Told takes the events that were recorded so far.
func Told(events *record.FakeRecorder) (all []string) {
	for {
		select {
		case e := <-events.Events:
			all = append(all, e)
		default:
			return all
		}
	}
}
