//go:build !linux

package process

import "syscall"

// attributes keep the terminal's Ctrl-C from a child, so that Stop decides the order.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
