package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-delivery/sluice/internal/dial"
)

const (
	maxListing = 16 << 20
	maxFile    = 1 << 30 // of each file that git writes, in bytes
	maxMemory  = 2 << 30 // of address space of git, in bytes
)

// runner runs git for one repository with its credentials in private files and in the environment of the child, never on a command line.
type runner struct {
	address     address
	hosts       func(name string) *queue
	credentials credentials
	keys        Keys
	timeout     time.Duration
	measures    *measures
	// installation has the token of a GitHub App; nil if there is none.
	installation *installation
	lookup       dial.Lookup
	environment  []string
	// files is the folder of the private files, in the folder private.
	private, files string
	// ssh is how git reaches a server over SSH, and proxy what leads to it over HTTP; nil if nothing does.
	ssh   string
	proxy *url.URL
}

func (r *Repositories) runner(a address, c credentials, keys Keys) *runner {
	lookup := r.lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupNetIP
	}
	return &runner{
		address: a, hosts: r.host, credentials: c, keys: keys, timeout: r.Timeout, measures: r.measures, installation: r.installation(c), lookup: lookup, private: r.Dir,
	}
}

// prepare gets a token where one is needed, and writes the private files of the credentials into a new folder, which close removes.
func (r *runner) prepare(ctx context.Context) error {
	if err := r.logIn(ctx); err != nil {
		return err
	}
	remote, err := url.Parse(r.address.remote)
	if err == nil {
		r.proxy, err = r.credentials.proxy(remote)
	}
	if err != nil {
		return err
	}
	// A process that is killed leaves them behind, and the next one empties this folder.
	if err = os.MkdirAll(r.private, 0o700); err == nil {
		r.files, err = os.MkdirTemp(r.private, "credentials-")
	}
	if err != nil {
		return fmt.Errorf("making a private folder for credentials: %w", err)
	}
	write := func(name, text string) string {
		file := filepath.Join(r.files, name)
		err = errors.Join(err, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	settings := r.settings(write)
	r.ssh = sshCommand(r.credentials.data, r.keys.KnownHosts, write)
	r.environment = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.files, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_ALLOW_PROTOCOL=none", "GIT_SSH_VARIANT=ssh", "GIT_LFS_SKIP_SMUDGE=1", "GIT_NO_REPLACE_OBJECTS=1", "GIT_ATTR_NOSYSTEM=1", fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(settings))}
	for i, s := range settings {
		r.environment = append(r.environment, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, s[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, s[1]))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing credentials for git: %w", err), r.close())
	}
	return nil
}

// settings are those of git, whose secrets are in private files or in the environment alone.
func (r *runner) settings(write func(name, text string) string) [][2]string {
	settings := [][2]string{
		{"core.hooksPath", os.DevNull}, {"core.fsmonitor", "false"}, {"gc.auto", "0"}, {"maintenance.auto", "false"}, {"credential.helper", ""},
		{"http.followRedirects", "false"}, {"http.lowSpeedLimit", "1000"}, {"http.lowSpeedTime", "15"}, {"fetch.fsckObjects", "true"},
		{"fetch.fsck.zeroPaddedFilemode", "ignore"}, {"fetch.fsck.badTimezone", "ignore"}, {"submodule.recurse", "false"}, {"core.protectHFS", "true"},
		{"core.protectNTFS", "true"}, {"core.symlinks", "true"}, {"safe.directory", "*"}, {"transfer.bundleURI", "false"}, {"fetch.unpackLimit", "1"},
		// As on machines of 32 bits, so that no more than some hundred MiB of packs are mapped at a time, and large files never as a whole.
		{"core.packedGitWindowSize", "32m"}, {"core.packedGitLimit", "256m"}, {"core.bigFileThreshold", "64m"}, {"pack.threads", "1"},
	}
	c := r.credentials.data
	if h := r.credentials.header(); h != "" {
		settings = append(settings, [2]string{"http.extraHeader", h})
	}
	if c["insecure"] == "true" {
		settings = append(settings, [2]string{"http.sslVerify", "false"})
	}
	if bundle := r.keys.Authorities[r.address.host]; bundle != "" {
		settings = append(settings, [2]string{"http.sslCAInfo", write("authorities.pem", bundle)})
	}
	if c["tlsClientCertData"] != "" {
		settings = append(settings, [2]string{"http.sslCert", write("client.pem", c["tlsClientCertData"])}, [2]string{"http.sslKey", write("client.key", c["tlsClientCertKey"])})
	}
	if r.proxy != nil {
		// The proxy looks names up: that of socks5 does so only under its other name.
		settings = append(settings, [2]string{"http.proxy", strings.Replace(r.proxy.String(), "socks5://", "socks5h://", 1)})
	}
	return settings
}

// sshCommand reads no configuration but its own, and trusts only hosts that are known.
func sshCommand(c map[string]string, knownHosts string, write func(name, text string) string) string {
	ssh := "ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o GlobalKnownHostsFile=/dev/null -o ConnectTimeout=15"
	if c["insecureIgnoreHostKey"] == "true" || c["insecure"] == "true" {
		ssh += " -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
	} else {
		ssh += " -o StrictHostKeyChecking=yes -o UserKnownHostsFile='" + write("known_hosts", knownHosts) + "'"
	}
	if key := c["sshPrivateKey"]; key != "" {
		ssh += " -i '" + write("key", strings.TrimRight(key, "\n")+"\n") + "'"
	}
	return ssh
}

func (r *runner) close() error { return os.RemoveAll(r.files) }

// ask runs git where it asks the server; run alone cannot reach any.
func (r *runner) ask(ctx context.Context, args ...string) ([]byte, error) {
	host := r.hosts(r.address.host)
	if err := host.enter(ctx); err != nil {
		return nil, err
	}
	defer host.leave()
	began := time.Now()
	p, err := r.pin(ctx)
	if err != nil {
		return nil, err
	}
	out, err := r.run(ctx, p.environment, append(p.settings, args...)...)
	r.measures.asked(r.address.shown, args, time.Since(began), err)
	return out, err
}

// run gives the output of git, also that of one that failed. Its error is for people: bounded, on one line, without secrets and control characters.
func (r *runner) run(ctx context.Context, extra []string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = append(append([]string{}, r.environment...), extra...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// git leaves the network to children of its own, which must not outlive it.
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	out, problem := &bounded{limit: maxListing, full: cancel}, &bounded{limit: 16 << 10}
	cmd.Stdout, cmd.Stderr = out, problem
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting git: %w", err)
	}
	limit(cmd.Process.Pid)
	err := cmd.Wait()
	switch {
	case out.over:
		return nil, fmt.Errorf("git answered with more than %d MiB", maxListing>>20)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("git did not finish within %s", r.timeout)
	case err != nil:
		return out.kept.Bytes(), fmt.Errorf("%w: %s", err, r.plain(problem.kept.String()))
	}
	return out.kept.Bytes(), nil
}

// plain makes words of a remote fit for a condition.
func (r *runner) plain(text string) string {
	return r.credentials.plain(strings.ReplaceAll(text, r.address.remote, r.address.shown))
}

// bounded keeps the start of an output and calls full when there is more. The buffer is not embedded, because its ReadFrom would go past the limit.
type bounded struct {
	kept  bytes.Buffer
	limit int
	over  bool
	full  func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.limit - b.kept.Len(); len(p) > room {
		b.kept.Write(p[:room])
		b.over = true
		if b.full != nil {
			b.full()
		}
		return len(p), nil
	}
	return b.kept.Write(p)
}
