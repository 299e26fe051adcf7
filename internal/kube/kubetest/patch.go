package kubetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// patched changes an object as a patch says, or replaces it.
func (s *Server) patched(q request, known *stored) (any, error) {
	o := &unstructured.Unstructured{}
	var body map[string]any
	if err := utiljson.Unmarshal(q.body, &body); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	asked, _, _ := unstructured.NestedString(body, "metadata", "resourceVersion")
	if asked != "" && known.object != nil && asked != known.object.GetResourceVersion() {
		return nil, conflict(q)
	}
	switch {
	case q.verb == "put":
		o.Object = body
	case types.PatchType(q.patch) == types.MergePatchType:
		text, err := json.Marshal(known.object.Object)
		if err == nil {
			text, err = jsonpatch.MergePatch(text, q.body)
		}
		if err == nil {
			err = utiljson.Unmarshal(text, &o.Object)
		}
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	case types.PatchType(q.patch) == types.ApplyPatchType:
		known = &stored{known.object, maps.Clone(known.applied)}
		if known.object != nil {
			o = known.object.DeepCopy()
		} else {
			o.Object = map[string]any{}
		}
		manager := q.query("fieldManager")
		withdraw(o.Object, known.applied[manager], body)
		overlay(o.Object, body)
		known.applied[manager] = runtime.DeepCopyJSON(body)
	default:
		return nil, apierrors.NewGenericServerResponse(415, q.verb, anything, q.name, "this server knows merge patches and applies, not "+q.patch, 0, true)
	}
	return s.store(q, known, o)
}

// withdraw takes away what a manager applied before and does not apply any more.
func withdraw(from, before, now map[string]any) {
	for key, old := range before {
		current, kept := now[key]
		inner, isMap := old.(map[string]any)
		switch {
		case isMap:
			if target, is := from[key].(map[string]any); is {
				next, _ := current.(map[string]any)
				withdraw(target, inner, next)
			}
		case !kept:
			delete(from, key)
		}
	}
}

// overlay puts what is applied over what is there.
func overlay(on, what map[string]any) {
	for key, value := range what {
		inner, isMap := value.(map[string]any)
		target, has := on[key].(map[string]any)
		if isMap && has {
			overlay(target, inner)
			continue
		}
		on[key] = value
	}
}

// store keeps an object as the server would: a write that changes nothing leaves no trace, and an object on its way out that nothing holds goes.
func (s *Server) store(q request, known *stored, o *unstructured.Unstructured) (any, error) {
	if s.Refuse != nil {
		if err := s.Refuse(o); err != nil {
			return nil, err
		}
	}
	s.stamp(known.object, o)
	if known.object != nil && equality.Semantic.DeepEqual(known.object.Object, o.Object) {
		return o.Object, nil
	}
	o.SetResourceVersion(s.next())
	if q.query("dryRun") != "" {
		return o.Object, nil
	}
	if s.objects == nil {
		s.objects = map[string]*stored{}
	}
	if known.object == nil {
		s.born = append(s.born, o.GetKind()+" "+o.GetName())
	}
	s.objects[q.path] = &stored{o, known.applied}
	if o.GetDeletionTimestamp() != nil && len(o.GetFinalizers()) == 0 {
		delete(s.objects, q.path)
	}
	return o.DeepCopy().Object, nil
}

// stamp sets what only the server may set.
func (s *Server) stamp(before, o *unstructured.Unstructured) {
	if before == nil {
		o.SetUID(types.UID(fmt.Sprint("uid-", s.version+1)))
		o.SetCreationTimestamp(metav1.NewTime(s.Now().Truncate(time.Second)))
		o.SetGeneration(1)
		return
	}
	o.SetUID(before.GetUID())
	o.SetCreationTimestamp(before.GetCreationTimestamp())
	o.SetResourceVersion(before.GetResourceVersion())
	generation := before.GetGeneration()
	if !equality.Semantic.DeepEqual(before.Object["spec"], o.Object["spec"]) {
		generation++
	}
	o.SetGeneration(generation)
}

// next is the version of the next write. No object ever has the first one.
func (s *Server) next() string {
	s.version++
	return fmt.Sprint(1 + s.version)
}
