package experiment

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/internal/kube"
	"github.com/sluice-delivery/sluice/strategy/experiment"
)

var replicaSetKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}

func templateOf(e *v1alpha1.Experiment, name string) (*v1alpha1.TemplateSpec, error) {
	i := slices.IndexFunc(e.Spec.Templates, func(t v1alpha1.TemplateSpec) bool { return t.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no template %s", name)
	}
	return &e.Spec.Templates[i], nil
}

// metadata is that of every object that is made for a template.
func metadata(e *v1alpha1.Experiment, template, name, hash string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: e.Namespace, Name: name, Labels: map[string]string{v1alpha1.LabelPodTemplateHash: hash},
		Annotations: map[string]string{
			v1alpha1.AnnotationExperimentName: e.Name, v1alpha1.AnnotationExperimentTemplateName: template,
		},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(e, v1alpha1.ExperimentKind)},
	}
}

// newReplicaSet makes the ReplicaSet of an intent. It is untyped, so that fields of the pod template that our types do not know survive.
func newReplicaSet(e *v1alpha1.Experiment, intent experiment.SetIntent) (*unstructured.Unstructured, error) {
	t, err := templateOf(e, intent.Template)
	if err != nil {
		return nil, err
	}
	template, err := kube.TemplateTree(t.Template)
	if err != nil {
		return nil, err
	}
	if err := unstructured.SetNestedField(template, intent.Hash, "metadata", "labels", v1alpha1.LabelPodTemplateHash); err != nil {
		return nil, fmt.Errorf("labelling the pods: %w", err)
	}
	selector := ptr.Deref(t.Selector.DeepCopy(), metav1.LabelSelector{})
	metav1.AddLabelToSelector(&selector, v1alpha1.LabelPodTemplateHash, intent.Hash)
	selectorTree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&selector)
	if err != nil {
		return nil, fmt.Errorf("writing the selector: %w", err)
	}
	set := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"replicas":        int64(ptr.Deref(intent.Replicas, 0)),
		"minReadySeconds": int64(t.MinReadySeconds),
		"selector":        selectorTree,
		"template":        template,
	}}}
	set.SetGroupVersionKind(replicaSetKind)
	meta := metadata(e, intent.Template, intent.Name, intent.Hash)
	labels, _, err := unstructured.NestedStringMap(template, "metadata", "labels")
	if err != nil {
		return nil, fmt.Errorf("reading the labels of the pods: %w", err)
	}
	set.SetNamespace(meta.Namespace)
	set.SetName(meta.Name)
	set.SetLabels(labels)
	set.SetAnnotations(meta.Annotations)
	set.SetOwnerReferences(meta.OwnerReferences)
	return set, nil
}

// newService makes the Service of a template. It has the ports of another Service where the routes are to take it for that one, or else those
// that the containers declare.
func newService(e *v1alpha1.Experiment, intent experiment.ServiceIntent, like *corev1.Service) (*corev1.Service, error) {
	t, err := templateOf(e, intent.Template)
	if err != nil {
		return nil, err
	}
	service := &corev1.Service{ObjectMeta: metadata(e, intent.Template, intent.Name, intent.Hash)}
	service.Spec.Selector = map[string]string{v1alpha1.LabelPodTemplateHash: intent.Hash}
	for key, value := range t.Selector.MatchLabels {
		if key != v1alpha1.LabelPodTemplateHash {
			service.Spec.Selector[key] = value
		}
	}
	if like != nil {
		for _, p := range like.Spec.Ports {
			service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{
				Name: p.Name, Protocol: p.Protocol, AppProtocol: p.AppProtocol, Port: p.Port, TargetPort: p.TargetPort,
			})
		}
		return service, nil
	}
	service.Spec.Ports = portsOf(t)
	return service, nil
}

// portsOf are the ports that the containers of a template declare, each number and protocol once.
func portsOf(t *v1alpha1.TemplateSpec) []corev1.ServicePort {
	template, _ := v1alpha1.PodTemplate(t.Template) // a template that cannot be read is an invalid spec
	var ports []corev1.ServicePort
	for _, container := range template.Spec.Containers {
		for _, p := range container.Ports {
			port := corev1.ServicePort{
				Name: fmt.Sprintf("port-%d", len(ports)), Protocol: p.Protocol, Port: p.ContainerPort, TargetPort: intstr.FromInt32(p.ContainerPort),
			}
			if p.Name != "" {
				port.Name = p.Name
			}
			if !slices.ContainsFunc(ports, func(x corev1.ServicePort) bool { return x.Port == port.Port && x.Protocol == port.Protocol }) {
				ports = append(ports, port)
			}
		}
	}
	return ports
}
