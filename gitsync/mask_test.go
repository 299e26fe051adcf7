package gitsync

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestAMaskKnowsWhatASecretHoldsInWhateverShape(t *testing.T) {
	for name, test := range map[string]struct{ secret, said string }{
		"text":                    {`stringData: {key: tweety-bird}`, `not with tweety-bird`},
		"text in base64":          {`stringData: {key: tweety-bird}`, `not with dHdlZXR5LWJpcmQ=`},
		"base64 as text":          {`data: {key: dHdlZXR5LWJpcmQ=}`, `not with tweety-bird`},
		"a line break":            {"stringData: {key: \"tweety-bird\\n\"}", `not with tweety-bird`},
		"between quotation marks": {`stringData: {key: 'tweety"bird'}`, `not with "tweety\"bird"`},
		"a number":                {`data: {key: 735560813579}`, `expected string, got Value:735560813579`},
		"a large number":          {`data: {key: 1.5e+22}`, `expected string, got Value:1.5e+22`},
		"a map":                   {`data: {key: {tweety-bird: 1}}`, `expected string, got map[tweety-bird:1]`},
		"a list":                  {`data: {key: [tweety-bird]}`, `expected string, got [tweety-bird]`},
		"data that is text":       {`data: tweety-bird`, `expected map, got tweety-bird`},
		"a former apply": {
			`metadata: {annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"kind":"Secret","apiVersion":"v1","stringData":{"key":"tweety-bird"}}'}}`,
			`not with tweety-bird`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte("apiVersion: v1\nkind: Secret\n"+test.secret), &o.Object); err != nil {
				t.Fatal(err)
			}
			got := NewMask(o).Text(test.said)
			for _, part := range []string{"bird", "tweety", "dHdl", "735560813579", "1.5e+22"} {
				if strings.Contains(got, part) {
					t.Errorf("%q tells %q", got, part)
				}
			}
			if before, _, _ := strings.Cut(test.said, " "); !strings.HasPrefix(got, before) {
				t.Errorf("%q says nothing any more", got)
			}
		})
	}
}
