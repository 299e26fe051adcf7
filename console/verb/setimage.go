package verb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// EveryContainer stands in SetImage for all containers of the pod template.
const EveryContainer = "*"

// SetImage gives containers of the pod template new images, by container name. The write is conditional on each container still
// standing where it was read and on nothing else, so it does not meet the controller's own writes.
func SetImage(ctx context.Context, c client.Client, key client.ObjectKey, images map[string]string) (string, error) {
	r, err := load(ctx, c, key)
	if err != nil {
		return "", err
	}
	var changed []string
	// A test of a JSON patch that does not hold comes back as Invalid.
	err = retry.OnError(conflicts(), apierrors.IsInvalid, func() error {
		h, err := loadHolder(ctx, c, r)
		if err != nil {
			return err
		}
		var operations []operation
		operations, changed, err = imageChanges(h, key, images)
		if err != nil || len(operations) == 0 {
			return err
		}
		return h.patch(ctx, c, operations)
	})
	switch {
	case IsRefused(err):
		return "", err
	case err != nil:
		return "", fmt.Errorf("setting images of %s: %w", named(key), err)
	case len(changed) == 0:
		return said(key, "has these images already"), nil
	}
	return said(key, "set image of %s", strings.Join(changed, ", ")), nil
}

// imageChanges finds the containers to change; changed names each with its new image.
func imageChanges(h holder, key client.ObjectKey, images map[string]string) (operations []operation, changed []string, err error) {
	missing := maps.Clone(images)
	delete(missing, EveryContainer)
	var there []string
	for _, list := range []string{"containers", "initContainers"} {
		containers, _, err := unstructured.NestedSlice(h.template(), "spec", list)
		if err != nil {
			return nil, nil, refuse(key, "%s of the pod template is no list of containers", list)
		}
		for i := range containers {
			container, ok := containers[i].(map[string]any)
			name, named := container["name"].(string)
			if !ok || !named {
				continue
			}
			there = append(there, name)
			delete(missing, name)
			image, asked := images[name]
			if !asked {
				image, asked = images[EveryContainer]
			}
			if !asked || container["image"] == image {
				continue
			}
			at := fmt.Sprintf("%s/spec/%s/%d", h.pointer, list, i)
			operations = append(operations,
				operation{"test", at + "/name", name},
				operation{"add", at + "/image", image})
			changed = append(changed, fmt.Sprintf("%s to %s", name, image))
		}
	}
	if len(there) == 0 {
		there = []string{"none"}
	}
	if len(missing) > 0 {
		return nil, nil, refuse(key, "%s has no container %s: there are %s", h.words,
			strings.Join(slices.Sorted(maps.Keys(missing)), ", "), strings.Join(there, ", "))
	}
	return operations, changed, nil
}
