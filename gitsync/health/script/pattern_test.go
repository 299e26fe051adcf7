package script

import (
	"strings"
	"testing"

	"github.com/yuin/gopher-lua/pm"
	"pgregory.net/rapid"
)

// TestPatternsMatchWhatTheInterpreterWouldMatch holds our matcher against the one of the interpreter, whose work cannot be bounded.
func TestPatternsMatchWhatTheInterpreterWouldMatch(t *testing.T) {
	item := rapid.SampledFrom(strings.Fields(`a b %a %d . [ab] [^a] %s (a) (b*) a* b+ a? a- %b() () [%d-] (.-)b`))
	character := rapid.SampledFrom([]string{"a", "b", "1", " ", "(", ")", "-"})
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(item, 1, 5).Draw(t, "items"), "")
		pattern = rapid.SampledFrom([]string{"", "^"}).Draw(t, "start") + pattern + rapid.SampledFrom([]string{"", "$"}).Draw(t, "end")
		text := strings.Join(rapid.SliceOfN(character, 0, 8).Draw(t, "text"), "")
		got, err := find(text, pattern, 0, func(int) error { return nil })
		want, wantErr := pm.Find(pattern, []byte(text), 0, 1)
		if err != nil || wantErr != nil {
			t.Fatalf("%q in %q: %v, the interpreter %v", pattern, text, err, wantErr)
		}
		if (got == nil) != (len(want) == 0) {
			t.Fatalf("%q in %q: found %t, the interpreter %t", pattern, text, got != nil, len(want) > 0)
		}
		if got != nil && (got.start != want[0].Capture(0) || got.end != want[0].Capture(1)) {
			t.Fatalf("%q in %q: %d to %d, the interpreter %d to %d", pattern, text, got.start, got.end, want[0].Capture(0), want[0].Capture(1))
		}
	})
}
