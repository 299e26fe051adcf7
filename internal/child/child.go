package child

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
	"runtime/debug"
)

const (
	// maxAsked is how many questions one child answers.
	maxAsked = 100
	// An answer begins with its length, whose first bit tells that the child ends after it.
	lastBit    = 1 << 31
	headerSize = 4
)

// Asked tells whether this process was started as a child for a command; main and TestMain must then do nothing but call Serve.
func Asked(command string) bool { return len(os.Args) == 2 && os.Args[1] == command }

// Serve answers the questions of a child one after the other, until there are no more or it should not be asked again, and gives the exit code of
// the process.
func Serve[Q, A any](in io.Reader, out io.Writer, work func(Q) A) int {
	if err := cutNetwork(); err != nil {
		return 3
	}
	questions := json.NewDecoder(in)
	for asked := 1; ; asked++ {
		var question Q
		switch err := questions.Decode(&question); {
		case errors.Is(err, io.EOF):
			return 0
		case err != nil:
			return 2
		}
		text, err := json.Marshal(work(question))
		if err != nil || len(text) >= lastBit {
			return 1
		}
		header, last := uint32(len(text)), asked == maxAsked || isBig()
		if last {
			header |= lastBit
		}
		if _, err := out.Write(append(binary.BigEndian.AppendUint32(nil, header), text...)); err != nil {
			return 1
		}
		if last {
			return 0
		}
	}
}

// isBig tells whether this process keeps so much of its memory that the next question should find a fresh one.
func isBig() bool {
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	return now.Sys > uint64(debug.SetMemoryLimit(-1))/3
}
