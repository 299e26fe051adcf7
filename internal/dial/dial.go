package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"syscall"
)

// metadata are services of clouds beside those with link-local addresses; they give credentials to whoever asks from inside.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("fd00:ec2::/32"), netip.MustParsePrefix("fd20:ce::254/128"), netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), netip.MustParsePrefix("fd00:42::42/128"),
	netip.MustParsePrefix("fd00:a9fe:a9fe::1/128"), netip.MustParsePrefix("100.100.100.200/32"), netip.MustParsePrefix("168.63.129.16/32"),
}

var (
	// translated is where gateways between IPv6 and IPv4 (RFC 6052) have all addresses of the latter.
	translated = netip.MustParsePrefix("64:ff9b::/96")
	broadcast  = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// check refuses the metadata services of clouds, and addresses that no server has. Private networks are not refused: servers of one's own stand there.
func check(ip netip.Addr) error {
	bare := ip.Unmap().WithZone("")
	if translated.Contains(bare) {
		b := bare.As16()
		bare = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !bare.IsValid() || bare.IsLinkLocalUnicast() || bare.IsUnspecified() || bare.IsMulticast() || bare == broadcast ||
		slices.ContainsFunc(metadata, func(p netip.Prefix) bool { return p.Contains(bare) }) {
		return fmt.Errorf("%s is no address of a server that may be asked: link-local addresses and the metadata services of clouds never are", ip)
	}
	return nil
}

// Elsewhere is the Control of a net.Dialer that keeps connections away from such addresses. It sees what a name was resolved to, and each redirect.
func Elsewhere(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("%.100q is no address", host)
	}
	return check(ip)
}

var (
	name = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$`)
	// numeric ends what some programs read as an address in another spelling, such as 2852039166 or 0xa9.254.43518.
	numeric = regexp.MustCompile(`(^|\.)([0-9]+|0[xX][0-9A-Fa-f]*)$`)
)

// Host reads a host as it is written: an address that may be asked, or a name, for which the address is the zero one. What two programs might read
// in two ways is refused.
func Host(text string) (netip.Addr, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip, check(ip)
	}
	switch {
	case !name.MatchString(text):
		return netip.Addr{}, fmt.Errorf("%.100q is no name of a host: letters, digits, dots, - and _ make one, and other scripts are written with xn--", text)
	case numeric.MatchString(text):
		return netip.Addr{}, fmt.Errorf("%.100q is a number; write the address of a host as four decimal numbers", text)
	}
	return netip.Addr{}, nil
}

// Lookup gives the addresses of a name, as that of a net.Resolver.
type Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// Addresses gives those addresses of a host that may be asked, for a program that would look the host up itself: only what was checked may be used.
func Addresses(ctx context.Context, lookup Lookup, host string) ([]netip.Addr, error) {
	if ip, err := Host(host); err != nil || ip.IsValid() {
		return []netip.Addr{ip}, err
	}
	all, err := lookup(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("looking up the address of %s: %w", host, err)
	}
	var good []netip.Addr
	refused := errors.New("it has none")
	for _, ip := range all {
		if err := check(ip); err != nil {
			refused = err
			continue
		}
		good = append(good, ip.Unmap())
	}
	if len(good) == 0 {
		return nil, fmt.Errorf("looking up the address of %s: %w", host, refused)
	}
	return good, nil
}
