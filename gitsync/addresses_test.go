package gitsync

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGoldenAddresses shows at which URLs people reach the object of live.yaml.
func TestGoldenAddresses(t *testing.T) {
	catalogue(t, "addresses", func(t *testing.T, folder string) string {
		var s strings.Builder
		for _, o := range filed(t, folder, "live.yaml") {
			for _, u := range addressesOf(o) {
				s.WriteString("- " + u + "\n")
			}
		}
		return s.String()
	})
}

func TestTheSummaryHoldsTheAddressesOfWhatLives(t *testing.T) {
	w := newWorld("")
	w.commits["aaaa"], w.head = parse(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {rules: [{host: shop.example.com}]}
`), "aaaa"
	o := w.observation()
	if got := Decide(o).App.Status.Summary.ExternalURLs; len(got) > 0 {
		t.Errorf("what does not live yet is at %v", got)
	}
	live := w.commits["aaaa"][0].DeepCopy()
	live.SetNamespace("prod")
	live.SetAnnotations(map[string]string{"argocd.argoproj.io/tracking-id": "shop:networking.k8s.io/Ingress:prod/web"})
	w.objects[KeyOf(live)] = live
	if diff := cmp.Diff([]string{"http://shop.example.com"}, Decide(w.observation()).App.Status.Summary.ExternalURLs); diff != "" {
		t.Error(diff)
	}
}
