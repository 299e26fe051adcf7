package source

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// shell serves repositories over SSH to whoever has its key.
type shell struct {
	port string
	// host is the public key of the server, as known hosts have it, and key the private one that lets in.
	host, key string
}

func serveShell(t *testing.T) shell {
	t.Helper()
	_, own, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(own)
	if err != nil {
		t.Fatal(err)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }} //nolint:nilnil // whoever comes
	config.AddHostKey(signer)
	at := listen(t, func(c net.Conn) { serveConnection(t, c, config) })
	_, port, err := net.SplitHostPort(at.String())
	if err != nil {
		t.Fatal(err)
	}
	return shell{port: port, host: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), key: string(pem.EncodeToMemory(block))}
}

// serveConnection runs the one command that git asks for.
func serveConnection(t *testing.T, c net.Conn, config *ssh.ServerConfig) {
	connection, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return // a client that does not trust the server goes away
	}
	defer connection.Close()
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, asked, err := offered.Accept()
		if err != nil {
			return
		}
		for request := range asked {
			if request.Type != "exec" {
				_ = request.Reply(request.Type == "env", nil)
				continue
			}
			_ = request.Reply(true, nil)
			var command struct{ Text string }
			if err := ssh.Unmarshal(request.Payload, &command); err != nil {
				t.Error(err)
			}
			serving := exec.Command("sh", "-c", command.Text) //nolint:gosec // what git asks of every SSH server
			serving.Stdout = channel
			in, err := serving.StdinPipe()
			if err != nil {
				t.Error(err)
				return
			}
			go func() {
				defer in.Close()
				buffer := make([]byte, 4096)
				for n, err := channel.Read(buffer); err == nil; n, err = channel.Read(buffer) {
					if _, err := in.Write(buffer[:n]); err != nil {
						return
					}
				}
			}()
			status := struct{ Code uint32 }{}
			if err := serving.Run(); err != nil {
				status.Code = 1
			}
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(&status))
			channel.Close()
		}
	}
}

func TestSSHAsksTheAddressThatWasCheckedAndKnowsTheHostByItsName(t *testing.T) {
	r := serve(t)
	commit := r.commit(t, "one")
	s := serveShell(t)
	other := serveShell(t)
	for name, c := range map[string]struct {
		url, known string
		reason     string
	}{
		"a name with a port":      {"ssh://git@Git.example:" + s.port + r.dir, "[git.example]:" + s.port + " " + s.host, ""},
		"an address with a port":  {"ssh://git@127.0.0.1:" + s.port + r.dir, "[127.0.0.1]:" + s.port + " " + s.host, ""},
		"another key of the host": {"ssh://git@git.example:" + s.port + r.dir, "[git.example]:" + s.port + " " + other.host, "HOST IDENTIFICATION HAS CHANGED"},
		"another port of it":      {"ssh://git@git.example:" + s.port + r.dir, "git.example " + s.host, "Host key verification failed"},
		"only its address":        {"ssh://git@git.example:" + s.port + r.dir, "[127.0.0.1]:" + s.port + " " + s.host, "Host key verification failed"},
		"a name that leads away":  {"ssh://git@evil.example:" + s.port + r.dir, "[evil.example]:" + s.port + " " + s.host, nobody},
	} {
		t.Run(name, func(t *testing.T) {
			all := repositories(t, c.url, canary)
			all.lookup = (&names{all: map[string][]string{"git.example": {"127.0.0.1", "169.254.169.254"}, "evil.example": {"169.254.169.254"}}}).lookup
			secrets, err := keysOf(gitopsv1.SecretTypeRepository, map[string]string{"url": c.url, "sshPrivateKey": s.key})(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			secrets.KnownHosts = c.known + "\n"
			all.Keys = func(context.Context) (Keys, error) { return secrets, nil }
			got, err := all.Resolve(t.Context(), fresh(c.url))
			if c.reason == "" {
				if err != nil || got != commit {
					t.Errorf("%s, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("error %v, want %q", err, c.reason)
			}
		})
	}
}

func TestSSHAtItsOwnPortKnowsTheHostByItsPlainName(t *testing.T) {
	all := repositories(t, "", canary)
	for url, alias := range map[string]string{
		"git@Git.example:org/shop": "git.example", "ssh://git@[::1]/org/shop": "::1", "ssh://git@[::1]:2222/org/shop": "[::1]:2222", "ssh://git.example:22/x": "git.example",
	} {
		a, err := parseAddress(url, nil)
		if err != nil {
			t.Fatal(err)
		}
		git := all.runner(a, credentials{}, Keys{})
		git.lookup = (&names{all: map[string][]string{"git.example": {"10.1.2.3"}}}).lookup
		p, err := git.pin(t.Context())
		if text := strings.Join(p.environment, " "); err != nil || !strings.Contains(text, "'HostKeyAlias="+alias+"'") || !strings.Contains(text, "-o CheckHostIP=no") {
			t.Errorf("%s: %q, %v", url, text, err)
		}
	}
}
