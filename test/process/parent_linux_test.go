package process

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const parentVariable = "SLUICE_TEST_PARENT"

// TestMain lets the test binary play the program that starts another and is then killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(parentVariable); dir != "" {
		p, err := Start("child", dir, exec.Command("/bin/sleep", "600"))
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(p.PID())
		<-p.ended
	}
	os.Exit(m.Run())
}

func TestProgramsEndWhenTheirParentIsKilled(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentVariable+"="+t.TempDir())
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var child int
	line, err := bufio.NewReader(output).ReadString('\n')
	if _, scan := fmt.Sscan(line, &child); err != nil || scan != nil || !runs(child) {
		t.Fatalf("the parent said %q (%v, %v)", line, err, scan)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("the parent ended well, although it was killed")
	}
	err = wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, 10*time.Second, true,
		func(context.Context) (bool, error) { return !runs(child), nil })
	if err != nil {
		t.Errorf("process %d outlived its parent", child)
	}
}

// runs tells whether a process runs; a dead one that nobody has waited for yet does not.
func runs(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(status), "\nState:\tZ")
}
