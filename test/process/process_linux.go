package process

import "syscall"

// attributes let a child die with its parent, however that ends, and keep the terminal's Ctrl-C from it, so that Stop
// decides the order.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
