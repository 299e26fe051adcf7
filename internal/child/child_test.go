package child

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const command = "child-of-test"

func TestMain(m *testing.M) {
	if Asked(command) {
		os.Exit(Serve(os.Stdin, os.Stdout, misbehave))
	}
	os.Exit(m.Run())
}

var kept []byte

func misbehave(how string) string {
	switch how {
	case "hangs":
		select {}
	case "burns":
		for n := 0; ; n++ {
			_ = n
		}
	case "grows":
		for all := []byte{1}; ; {
			all = append(all, all...)
		}
	case "talks":
		return strings.Repeat("x", 2<<20)
	case "dials":
		_, err := net.DialTimeout("tcp", "127.0.0.1:1", time.Second)
		return err.Error()
	case "starts a program":
		return exec.Command("/bin/true").Run().Error()
	case "writes a file":
		return os.WriteFile(os.Args[0]+".written", []byte("x"), 0o600).Error()
	case "who":
		return strconv.Itoa(os.Getpid())
	case "keeps much":
		kept = bytes.Repeat([]byte("x"), 64<<20)
	case "looks around":
		return strings.Join(os.Environ(), " ")
	}
	return how
}

func TestAChildIsBounded(t *testing.T) {
	limits := Limits{What: "the test", Time: 3 * time.Second, Memory: 128 << 20, Output: 1 << 20}
	for how, reason := range map[string]string{
		"hangs": "did not finish within 3s", "burns": "did not finish within 3s", "grows": "needed more than 128 MiB", "talks": "gave more than 1 MiB",
	} {
		begun := time.Now()
		if text, err := new(Crew).Ask(t.Context(), command, limits, how); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("a child that %s gives %.50s, %v", how, text, err)
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("a child that %s took %s", how, took)
		}
	}
}

func TestAChildHasNothingToReachOutWith(t *testing.T) {
	t.Setenv("PASSWORD", "canary")
	limits := Limits{What: "the test", Time: 20 * time.Second, Memory: 256 << 20, Output: 1 << 20}
	for how, reason := range map[string]string{
		"dials": "operation not permitted", "starts a program": "operation not permitted", "writes a file": "file too large", "looks around": "GOMAXPROCS", "says hello": "says hello",
	} {
		text, err := new(Crew).Ask(t.Context(), command, limits, how)
		if err != nil || !strings.Contains(string(text), reason) || strings.Contains(string(text), "canary") {
			t.Errorf("a child that %s gives %s, %v", how, text, err)
		}
	}
}

func TestAChildIsAskedAgainUntilItHasGrownOrDied(t *testing.T) {
	limits := Limits{What: "the test", Time: 20 * time.Second, Memory: 256 << 20, Output: 1 << 20}
	crew := &Crew{}
	ask := func(how string) string {
		t.Helper()
		text, err := crew.Ask(t.Context(), command, limits, how)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := ask("who")
	if again := ask("who"); again != first {
		t.Errorf("process %s, then %s", first, again)
	}
	ask("keeps much")
	second := ask("who")
	if second == first {
		t.Error("a child that keeps much memory is asked again")
	}
	pid, err := strconv.Atoi(strings.Trim(second, `"`))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	third := ask("who")
	if third == second {
		t.Error("a child that was killed has answered")
	}
	for range maxAsked {
		ask("says hello")
	}
	if ask("who") == third {
		t.Errorf("a child answers more than %d questions", maxAsked)
	}
}

func TestAChildThatRestsForLongIsEnded(t *testing.T) {
	crew := &Crew{}
	text, err := crew.Ask(t.Context(), command, Limits{What: "the test", Time: 20 * time.Second, Memory: 256 << 20, Output: 1 << 20}, "who")
	if err != nil {
		t.Fatal(err)
	}
	crew.mu.Lock()
	w := crew.resting[0]
	w.retire.Reset(0)
	crew.mu.Unlock()
	pid, err := strconv.Atoi(strings.Trim(string(text), `"`))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); syscall.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it still runs")
		}
	}
}
