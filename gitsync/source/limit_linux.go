package source

import "golang.org/x/sys/unix"

// limit bounds the memory of git, and the files that it writes. A process that is gone already needs no limit, and waiting for it tells why it is gone.
func limit(pid int) {
	_ = unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: maxFile, Max: maxFile}, nil)
	_ = unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: maxMemory, Max: maxMemory}, nil)
}
