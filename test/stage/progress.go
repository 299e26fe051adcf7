package stage

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// during does something and tells of it: on a terminal by a line that counts the seconds, elsewhere by a line now and then.
func during(out io.Writer, doing string, do func() error) error {
	every, again, last := 10*time.Second, "  still %s, %s\n", "  done %s, %s\n"
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		every, again, last = time.Second, "\r\x1b[K  %s, %s", "\r\x1b[K  %s, %s\n"
		fmt.Fprintf(out, "  %s", doing)
	}
	start, ticker := time.Now(), time.NewTicker(every)
	defer ticker.Stop()
	done := make(chan error, 1)
	go func() { done <- do() }()
	for {
		select {
		case err := <-done:
			if err != nil {
				fmt.Fprintln(out)
				return err
			}
			fmt.Fprintf(out, last, doing, time.Since(start).Round(100*time.Millisecond))
			return nil
		case <-ticker.C:
			fmt.Fprintf(out, again, doing, time.Since(start).Round(time.Second))
		}
	}
}
