package source

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// nobody is said of an address that is never asked.
const nobody = "is no address of a server that may be asked"

// names are looked up instead of those of the world: each has its addresses one after the other, and the last one for ever.
type names struct {
	mu  sync.Mutex
	all map[string][]string
}

func (n *names) lookup(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	left := n.all[strings.ToLower(host)]
	if len(left) == 0 {
		return nil, errors.New("no such host")
	}
	if len(left) > 1 {
		n.all[strings.ToLower(host)] = left[1:]
	}
	return []netip.Addr{netip.MustParseAddr(left[0])}, nil
}

// called is the URL of a server on this machine under another name.
func called(t *testing.T, at, name string) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = name + ":" + u.Port()
	return u.String()
}

// fresh is what is wanted now.
func fresh(url string) gitsync.Want {
	w := want(url, "main")
	w.Fresh = true
	return w
}

// keysOf has one Secret.
func keysOf(kind string, data map[string]string) func(context.Context) (Keys, error) {
	s := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "one", Labels: map[string]string{gitopsv1.LabelSecretType: kind}}, Data: map[string][]byte{}}
	for key, value := range data {
		s.Data[key] = []byte(value)
	}
	return func(context.Context) (Keys, error) { return Keys{Secrets: []corev1.Secret{s}}, nil }
}

// daemon serves a repository over the protocol of git itself.
func daemon(t *testing.T, r *remote) string {
	t.Helper()
	return fmt.Sprintf("git://%s/.git", listen(t, func(c net.Conn) {
		defer c.Close()
		serving := exec.Command("git", "daemon", "--inetd", "--export-all", "--base-path="+r.dir)
		serving.Stdin, serving.Stdout = c, c
		if err := serving.Run(); err != nil {
			t.Logf("git daemon: %v", err)
		}
	}))
}

// listen serves each connection to a loopback address, until the test ends.
func listen(t *testing.T, serve func(net.Conn)) net.Addr {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	t.Cleanup(func() { listener.Close(); served.Wait() })
	served.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() { serve(c) })
		}
	})
	return listener.Addr()
}

func TestGitAsksTheAddressThatWasCheckedAndNoOther(t *testing.T) {
	r := serve(t)
	commit := r.commit(t, "one")
	for scheme, at := range map[string]string{"http": r.url, "git": daemon(t, r)} {
		t.Run(scheme, func(t *testing.T) {
			at := called(t, at, "Git.example")
			all := repositories(t, at, canary)
			all.Schemes = []string{"http", "git"}
			// Whoever answers for the name says something else at the second question.
			all.lookup = (&names{all: map[string][]string{"git.example": {"127.0.0.1", "169.254.169.254"}}}).lookup
			if got, err := all.Resolve(t.Context(), fresh(at)); err != nil || got != commit {
				t.Fatalf("%s, %v", got, err)
			}
			var gone *gitsync.UnreachableError
			if _, err := all.Resolve(t.Context(), fresh(at)); !errors.As(err, &gone) || !strings.Contains(err.Error(), "looking up the address of Git.example: 169.254.169.254 "+nobody) {
				t.Errorf("once the name leads elsewhere: %v", err)
			}
		})
	}
	if n := r.listings.Load(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestAProxyLooksNamesUpAndIsCheckedItself(t *testing.T) {
	r := serve(t)
	commit := r.commit(t, "one")
	behind, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	var proxied atomic.Int32
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(q *httputil.ProxyRequest) {
		proxied.Add(1)
		q.Out.URL.Host = behind.Host
	}})
	defer proxy.Close()
	known := &names{all: map[string][]string{"proxy.example": {"127.0.0.1"}, "evil.example": {"169.254.169.254"}}}
	for name, c := range map[string]struct {
		host, proxy, noProxy string
		reason               string
	}{
		"a name that nobody else knows":  {"git.example", proxy.URL, "", ""},
		"a proxy with a name":            {"git.example", called(t, proxy.URL, "proxy.example"), "other.example", ""},
		"no proxy for this host":         {"git.example", proxy.URL, "git.example", "no such host"},
		"a proxy that leads elsewhere":   {"git.example", "http://evil.example:3128", "", nobody},
		"an address of a cloud":          {"169.254.169.254", proxy.URL, "", nobody},
		"a proxy of another kind":        {"git.example", "ftp://" + canary + "@proxy.example", "", `secret argocd/one: proxy has the scheme "ftp"`},
		"a proxy that is no URL":         {"git.example", "http://" + canary + "\x7f@proxy.example", "", "secret argocd/one: proxy is no URL"},
		"a proxy with a number for name": {"git.example", "http://2130706433:3128", "", "is a number"},
	} {
		t.Run(name, func(t *testing.T) {
			before := proxied.Load()
			at := "http://" + c.host + "/repo/.git"
			all := repositories(t, at, canary)
			all.lookup = known.lookup
			all.Keys = keysOf(gitopsv1.SecretTypeRepository, map[string]string{"url": at, "username": "git", "password": canary, "proxy": c.proxy, "noProxy": c.noProxy})
			got, err := all.Resolve(t.Context(), fresh(at))
			if c.reason == "" {
				if err != nil || got != commit || proxied.Load() == before {
					t.Errorf("%s, %v, and the proxy was asked %d times", got, err, proxied.Load()-before)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), canary) || proxied.Load() != before {
				t.Errorf("error %v, want %q; the proxy was asked %d times", err, c.reason, proxied.Load()-before)
			}
		})
	}
}
