package source

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/sluice-delivery/sluice/internal/dial"
)

// lookupTime bounds looking up the address of a host.
const lookupTime = 15 * time.Second

// proxy gives the one that leads to a place; nil if none does.
func (c credentials) proxy(to *url.URL) (*url.URL, error) {
	text := c.data["proxy"]
	if text != "" && !strings.Contains(text, "://") {
		text = "http://" + text
	}
	at, err := url.Parse(text)
	if err != nil || text != "" && at.Hostname() == "" {
		return nil, fmt.Errorf("secret %s: proxy is no URL", c.name) // the cause would repeat it with its password
	}
	ports := map[string]string{"": "", "http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}
	port, known := ports[at.Scheme]
	if !known {
		return nil, fmt.Errorf("secret %s: proxy has the scheme %q; use http, https or socks5", c.name, at.Scheme)
	}
	if text != "" {
		at.Host = net.JoinHostPort(at.Hostname(), cmp.Or(at.Port(), port))
	}
	return (&httpproxy.Config{HTTPProxy: at.String(), HTTPSProxy: at.String(), NoProxy: c.data["noProxy"]}).ProxyFunc()(to)
}

// pin is what makes git ask just the addresses that were checked: the settings that come before its command, and its environment.
type pin struct{ settings, environment []string }

// pin looks up who is to be asked, right before that: a name that leads elsewhere a moment later wins nothing. Where a proxy leads on, it is the proxy.
func (r *runner) pin(ctx context.Context) (pin, error) {
	p := pin{environment: []string{"GIT_ALLOW_PROTOCOL=" + r.address.scheme}}
	host, port := r.address.host, r.address.port
	if r.proxy != nil {
		host, port = r.proxy.Hostname(), r.proxy.Port()
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	all, err := dial.Addresses(ctx, r.lookup, host)
	if err != nil {
		return p, err
	}
	switch r.address.scheme {
	case "ssh":
		// What is known of a host counts for its name.
		alias := strings.ToLower(host)
		if port != "22" {
			alias = "[" + alias + "]:" + port
		}
		p.environment = append(p.environment, fmt.Sprintf("GIT_SSH_COMMAND=%s -o HostName=%s -o 'HostKeyAlias=%s' -o CheckHostIP=no", r.ssh, all[0], alias))
	case "git":
		p.environment = append(p.environment, "GIT_OVERRIDE_VIRTUAL_HOST="+net.JoinHostPort(host, port))
		p.settings = []string{"-c", fmt.Sprintf("url.git://%s/.insteadOf=%s/", net.JoinHostPort(all[0].String(), port), r.address.origin)}
	default:
		if _, err := netip.ParseAddr(host); err != nil {
			p.settings = []string{"-c", fmt.Sprintf("http.curloptResolve=%s:%s:%s", host, port, strings.Join(bracketed(all), ","))}
		}
	}
	return p, nil
}

// bracketed writes addresses as they stand in a URL.
func bracketed(all []netip.Addr) []string {
	var texts []string
	for ip := range slices.Values(all) {
		text := ip.String()
		if ip.Is6() {
			text = "[" + text + "]"
		}
		texts = append(texts, text)
	}
	return texts
}
