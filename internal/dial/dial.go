package dial

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// metadata are services of clouds beside those with link-local addresses; they give credentials to whoever asks from inside.
var metadata = []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16")}

// Elsewhere is the Control of a net.Dialer that keeps connections away from the metadata services of clouds, and from addresses that no server has.
// It sees what a name was resolved to, and each redirect. Private networks are not refused: servers of one's own stand there.
func Elsewhere(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(host)
	ip = ip.Unmap().WithZone("")
	if err != nil || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() || slices.Contains(metadata, ip) {
		return fmt.Errorf("%s is no address of a server that may be asked", host)
	}
	return nil
}
