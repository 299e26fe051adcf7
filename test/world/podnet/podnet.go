package podnet

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
)

// privileged is the first port that a process without special rights may bind; portShift moves the lower ones up.
const (
	privileged = 1024
	portShift  = 20000
)

var pods = netip.MustParsePrefix("10.244.0.0/16")

// Pool hands out pod addresses. The zero value starts at 10.244.0.1; New starts somewhere else in the range.
type Pool struct {
	next atomic.Uint32
}

// New starts at a random place, so that two worlds on one machine seldom try the same address.
func New() *Pool {
	p := &Pool{}
	p.next.Store(rand.Uint32N(1 << 16))
	return p
}

// Next returns an address of 10.244.0.0/16 that differs from the 64,000 or so before it.
func (p *Pool) Next() string {
	for {
		n := p.next.Add(1)
		if low := n & 0xff; low != 0 && low != 0xff {
			return netip.AddrFrom4([4]byte{10, 244, byte(n >> 8), byte(n)}).String()
		}
	}
}

// Loopback returns the host:port on this machine that stands for a pod's address and port.
// Ports below 1024 are moved up by 20000, so that nobody needs to be root.
func Loopback(podIP string, port int32) (string, error) {
	addr, err := netip.ParseAddr(podIP)
	if err != nil {
		return "", fmt.Errorf("reading pod address %q: %w", podIP, err)
	}
	if !pods.Contains(addr) {
		return "", fmt.Errorf("pod address %s is not in %s, so this world does not serve it", podIP, pods)
	}
	if port < 1 || port > 65535 {
		return "", fmt.Errorf("port %d of pod address %s is not between 1 and 65535", port, podIP)
	}
	if port < privileged {
		port += portShift
	}
	b := addr.As4()
	return net.JoinHostPort(netip.AddrFrom4([4]byte{127, 244, b[2], b[3]}).String(), strconv.Itoa(int(port))), nil
}
