package gitsync

import (
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Comparison is what an Application wants, what lives of it, and how the two differ, for people to read. Secrets are masked.
type Comparison struct {
	Differences []Difference
	// Wanted are the manifests as they would be applied, hooks too, and Living what lives of them, each as YAML.
	Wanted, Living []string
	// Revisions are those of the sources.
	Revisions []string
}

// Difference is one object that an apply would change, make or, if Want is empty, leave for a prune.
type Difference struct {
	Key Key
	// Want and Have are the object as it would be and as it is, without what nobody compares, as YAML.
	Want, Have string
	// Problem says why the object could not be compared or would be refused.
	Problem string
}

// Compare tells how what an Application asks for differs from what lives, as Decide judges it. The observation must be one that Refusal lets pass.
func Compare(o Observation) (Comparison, error) {
	if o.Target.Problem != "" {
		return Comparison{}, errors.New(NewMask().And(o.Secrets...).Text(o.Target.Problem))
	}
	d := newDecision(o)
	d.guard()
	c := Comparison{Revisions: o.Target.Revisions}
	for _, it := range d.items {
		one, err := d.differenceOf(it)
		if err != nil {
			return c, err
		}
		if one.Want != one.Have || one.Problem != "" {
			c.Differences = append(c.Differences, one)
		}
	}
	for _, manifest := range d.prepared.Objects {
		text, err := d.shown(manifest)
		if err != nil {
			return c, err
		}
		c.Wanted = append(c.Wanted, text)
		if live := d.live(KeyOf(manifest)); live != nil {
			if text, err = d.shown(live.Object); err != nil {
				return c, err
			}
			c.Living = append(c.Living, text)
		}
	}
	return c, nil
}

func (d *decision) differenceOf(it item) (Difference, error) {
	one := Difference{Key: it.key, Problem: d.mask.Text(it.problem)}
	var p Prediction
	if it.desired != nil {
		p = d.o.Predicted[Digest(it.desired)]
	}
	if one.Problem == "" {
		one.Problem = d.mask.Text(p.Problem)
	}
	if !it.differs {
		return one, nil
	}
	var want, have *unstructured.Unstructured
	if it.live != nil {
		have = it.live.Object
	}
	if want = it.desired; p.Object != nil {
		want = p.Object
	}
	want, have, err := d.comparable(want, have)
	if err != nil {
		return one, err
	}
	masked := Objects(want, have)
	if one.Want, err = d.text(masked[0]); err == nil {
		one.Have, err = d.text(masked[1])
	}
	return one, err
}

// comparable reduces both sides to what is compared.
func (d *decision) comparable(want, have *unstructured.Unstructured) (*unstructured.Unstructured, *unstructured.Unstructured, error) {
	reduce := func(o *unstructured.Unstructured) *unstructured.Unstructured {
		if o == nil {
			return nil
		}
		return &unstructured.Unstructured{Object: normal(o)}
	}
	if want == nil || have == nil {
		return reduce(want), reduce(have), nil
	}
	w, h, err := d.o.Ignored(have).strip(normal(want), normal(have), have)
	if err != nil {
		return nil, nil, err
	}
	return &unstructured.Unstructured{Object: w}, &unstructured.Unstructured{Object: h}, nil
}

// shown is an object for people.
func (d *decision) shown(o *unstructured.Unstructured) (string, error) {
	return d.text(Objects(&unstructured.Unstructured{Object: normal(o)})[0])
}

func (d *decision) text(o *unstructured.Unstructured) (string, error) {
	if o == nil {
		return "", nil
	}
	text, err := yaml.Marshal(o.Object)
	return d.mask.Text(string(text)), err
}
