package podnet

import (
	"net/netip"
	"testing"
)

func TestLoopback(t *testing.T) {
	cases := []struct {
		name    string
		ip      string
		port    int32
		want    string
		refused bool
	}{
		{name: "a pod address is served at the same place of the loopback range", ip: "10.244.3.7", port: 8080, want: "127.244.3.7:8080"},
		{name: "a port that only root may bind is moved up", ip: "10.244.3.7", port: 80, want: "127.244.3.7:20080"},
		{name: "an address of another network is refused", ip: "10.245.3.7", port: 8080, refused: true},
		{name: "an address of the new protocol is refused", ip: "::1", port: 8080, refused: true},
		{name: "text that is no address is refused", ip: "pod", port: 8080, refused: true},
		{name: "a port out of range is refused", ip: "10.244.3.7", port: 70000, refused: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Loopback(c.ip, c.port)
			if got != c.want || (err != nil) != c.refused {
				t.Errorf("Loopback(%q, %d) = %q, %v; want %q, refused %v", c.ip, c.port, got, err, c.want, c.refused)
			}
		})
	}
}

func TestAddressesAreUniqueAndServable(t *testing.T) {
	pool, seen := New(), map[string]bool{}
	for range 60_000 {
		ip := pool.Next()
		if seen[ip] {
			t.Fatalf("%s was handed out twice", ip)
		}
		seen[ip] = true
		if last := netip.MustParseAddr(ip).As4()[3]; last == 0 || last == 255 {
			t.Fatalf("%s ends like a network or a broadcast address", ip)
		}
	}
}
