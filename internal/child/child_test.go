package child

import (
	"net"
	"os"
	"os/exec"
	"strings"
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
		if text, err := Ask(t.Context(), command, limits, how); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("a child that %s gives %.50s, %v", how, text, err)
		}
		if took := time.Since(begun); took > 10*time.Second {
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
		text, err := Ask(t.Context(), command, limits, how)
		if err != nil || !strings.Contains(string(text), reason) || strings.Contains(string(text), "canary") {
			t.Errorf("a child that %s gives %s, %v", how, text, err)
		}
	}
}
