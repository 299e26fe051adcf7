package child

import (
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	seccompFilter  = 1 // SECCOMP_SET_MODE_FILTER
	seccompThreads = 1 // SECCOMP_FILTER_FLAG_TSYNC: all threads that there are
	seccompAllow   = 0x7fff0000
	seccompErrno   = 0x00050000
	callNumber     = 0 // offsets into seccomp_data
	callMachine    = 4
)

var machines = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

// limit bounds the memory of a process that can be written to, in bytes, and keeps it from writing files. Go reserves far more address space
// than it uses, so that is not bounded.
func limit(pid int, memory uint64) error {
	return errors.Join(unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: memory, Max: memory}, nil), unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{}, nil))
}

// cutNetwork takes from this process for good the ability to make sockets and to start programs, whatever library would like to.
func cutNetwork() error {
	machine, known := machines[runtime.GOARCH]
	if !known {
		return errors.New("a child cannot be cut off from the network on this machine")
	}
	refuse := uint32(seccompErrno | uint32(unix.EPERM))
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: callMachine},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: machine, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: refuse},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: callNumber},
	}
	for _, call := range []uint32{unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_IO_URING_SETUP, unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PTRACE} {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: refuse})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: seccompAllow})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// The filter is installed from one thread, which must be the one that gave up privileges before.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, seccompFilter, seccompThreads, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return errno
	}
	return nil
}
