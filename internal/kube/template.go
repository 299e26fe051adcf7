package kube

import (
	"encoding/json"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	apijson "k8s.io/apimachinery/pkg/util/json"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// TemplateTree is a pod template as it was written, fields unknown to us included and whole numbers as the API machinery wants them; values
// that cannot be read are left out, as everywhere, and then unknown fields with them.
func TemplateTree(template runtime.RawExtension) (map[string]any, error) {
	typed, err := v1alpha1.PodTemplate(template)
	var dropped *v1alpha1.DroppedError
	raw := template.Raw
	if errors.As(err, &dropped) {
		raw, err = json.Marshal(typed)
	}
	if err != nil {
		return nil, err
	}
	tree := map[string]any{}
	if err := apijson.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("reading the pod template: %w", err)
	}
	return tree, nil
}
