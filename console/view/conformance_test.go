//go:build conformance

package view

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

// What a client shows must be what the reference's own client shows for the same object; there is no case on which we differ.
func TestConformanceOfTheClientPhase(t *testing.T) {
	file, err := os.Open(filepath.Join(os.Getenv("VECTORS"), "phase.jsonl"))
	if err != nil {
		t.Fatalf("set VECTORS to the folder of the conformance vectors: %v", err)
	}
	defer file.Close()
	agree, all := 0, 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v struct {
			ID, Note string
			Rollout  v1alpha1.Rollout
			Expect   struct {
				Client struct {
					Phase   v1alpha1.RolloutPhase
					Message string
				}
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all++
		phase, message := Phase(&v.Rollout)
		if phase != v.Expect.Client.Phase || message != v.Expect.Client.Message {
			t.Errorf("%s (%s): got %s %q, the reference's client shows %s %q", v.ID, v.Note, phase, message, v.Expect.Client.Phase, v.Expect.Client.Message)
			continue
		}
		agree++
	}
	if err := lines.Err(); err != nil || all == 0 {
		t.Fatalf("%d vectors: %v", all, err)
	}
	t.Logf("conformance: phase of clients %d/%d agree", agree, all)
}
