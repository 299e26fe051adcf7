package simulate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/strategy/simulate"
)

func TestPreviewTellsAReleaseToItsEnd(t *testing.T) {
	w := story{spec: routed, extra: beside, steps: twoPauses}.world(t)
	text := simulate.Preview(w.Rollout, w.Library, w.Now)
	for _, sentence := range []string{
		"RolloutCompleted: Rollout completed update to revision 2 (v2): Completed all 4 canary steps",
		"> somebody promotes",
		"> analysis run web-v2-2 succeeds",
		"ScalingReplicaSet: Scaled down ReplicaSet web-v1 (revision 1) from 5 to 0",
	} {
		if !strings.Contains(text, sentence) {
			t.Errorf("the preview does not say %q:\n%s", sentence, text)
		}
	}
}

func TestPreviewOfARolloutThatNamesAMissingTemplateSaysSo(t *testing.T) {
	w := story{spec: routed, extra: beside, steps: twoPauses}.world(t)
	text := simulate.Preview(w.Rollout, analysis.Library{}, time.Now())
	if !strings.Contains(text, "check") || !strings.Contains(text, "ReconciliationError") {
		t.Errorf("the preview does not name the missing template:\n%s", text)
	}
}
