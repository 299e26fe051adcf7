package dial

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMetadataServicesAreOutOfReach(t *testing.T) {
	for address, allowed := range map[string]bool{
		"169.254.169.254:80": false, "[::ffff:169.254.169.254]:80": false, "[fe80::1%eth0]:80": false, "[fd00:ec2::254]:80": false, "[fd00:ec2::23]:80": false,
		"100.100.100.200:80": false, "168.63.129.16:80": false, "0.0.0.0:80": false, "[::]:80": false, "224.0.0.1:80": false, "[ff02::1]:80": false,
		"[fd20:ce::254]:80": false, "[64:ff9b::a9fe:a9fe]:80": false, "255.255.255.255:80": false, "[::ffff:0.0.0.0]:80": false,
		"host.example:80": false, "127.0.0.1": false,
		"127.0.0.1:80": true, "[::1]:443": true, "10.1.2.3:443": true, "192.168.1.1:443": true, "140.82.121.6:443": true, "[2606:50c0::1]:443": true,
		"[64:ff9b::8c52:7906]:443": true, "[::ffff:10.1.2.3]:443": true, "[fd12::1]:443": true,
	} {
		if err := Elsewhere("tcp", address, nil); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestAHostIsANameOrAnAddressInItsOneSpelling(t *testing.T) {
	for host, is := range map[string]string{
		"git.example.com": "name", "git": "name", "a_b.c-d": "name", "xn--bcher-kva.example": "name", "1password.example": "name", "10.example": "name", "0x7f.example": "name",
		"127.0.0.1": "address", "::1": "address", "10.1.2.3": "address", "::ffff:10.1.2.3": "address",
		"169.254.169.254": "no address of a server", "::ffff:a9fe:a9fe": "no address of a server", "fe80::1%eth0": "no address of a server",
		"2852039166": "is a number", "0xa9fea9fe": "is a number", "025177524776": "is a number", "0251.0376.0251.0376": "is a number", "169.254.43518": "is a number",
		"0xA9.0xFE.0xA9.0xFE": "is a number", "127.1": "is a number", "a.0x": "is a number", "1.2.3.4.5": "is a number",
		"169.254.169.254.": "is no name", "host.": "is no name", "-host": "is no name", "": "is no name", "bücher.example": "is no name", "１６９.254.169.254": "is no name",
		"a b": "is no name", "a,b": "is no name", "a:1": "is no name", "a'b": "is no name", "169。254。169。254": "is no name",
	} {
		got := "name"
		ip, err := Host(host)
		if err == nil && ip.IsValid() {
			got = "address"
		} else if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, is) {
			t.Errorf("%q is %q, want %q", host, got, is)
		}
	}
}

func TestOnlyAddressesThatMayBeAskedAreGiven(t *testing.T) {
	names := map[string][]string{
		"git.example": {"140.82.121.6", "2606:50c0::1"}, "mixed.example": {"169.254.169.254", "::ffff:10.1.2.3"}, "inner.example": {"169.254.169.254", "fd00:ec2::254"}, "empty.example": {},
	}
	lookup := func(_ context.Context, network, host string) (all []netip.Addr, err error) {
		addresses, known := names[host]
		if !known || network != "ip" {
			return nil, errors.New("no such host")
		}
		for _, a := range addresses {
			all = append(all, netip.MustParseAddr(a))
		}
		return all, nil
	}
	for host, c := range map[string]struct {
		addresses []string
		reason    string
	}{
		"git.example":     {[]string{"140.82.121.6", "2606:50c0::1"}, ""},
		"mixed.example":   {[]string{"10.1.2.3"}, ""},
		"127.0.0.1":       {[]string{"127.0.0.1"}, ""},
		"inner.example":   {nil, "looking up the address of inner.example: fd00:ec2::254 is no address of a server that may be asked"},
		"empty.example":   {nil, "it has none"},
		"unknown.example": {nil, "no such host"},
		"169.254.169.254": {nil, "no address of a server"},
		"2852039166":      {nil, "is a number"},
	} {
		t.Run(host, func(t *testing.T) {
			all, err := Addresses(t.Context(), lookup, host)
			if c.reason != "" {
				if err == nil || !strings.Contains(err.Error(), c.reason) {
					t.Errorf("error %v, want %q", err, c.reason)
				}
				return
			}
			var got []string
			for _, ip := range all {
				got = append(got, ip.String())
			}
			if diff := cmp.Diff(c.addresses, got); diff != "" || err != nil {
				t.Errorf("%v, (-want +got):\n%s", err, diff)
			}
		})
	}
}
