package cluster

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// binaries knows which program plays which server: those of the user first, ours for the rest.
type binaries struct {
	users map[string]string // server name to path
	ours  string            // holds all of them; empty if the user has all
}

// findBinaries takes from KUBEBUILDER_ASSETS what is there. Such a folder commonly has no controllers and no scheduler.
func findBinaries(ctx context.Context, progress io.Writer) (binaries, error) {
	found := binaries{users: map[string]string{}}
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		path := filepath.Join(assets, name)
		if _, err := os.Stat(path); assets != "" && err == nil {
			found.users[name] = path
		}
	}
	switch {
	case assets != "" && (found.users["etcd"] == "" || found.users["kube-apiserver"] == ""):
		return binaries{}, fmt.Errorf("KUBEBUILDER_ASSETS is %s, which lacks etcd or kube-apiserver: "+
			"put them there, or unset it to use the ones that are built here", assets)
	case len(found.users) == 4:
		return found, nil
	}
	var err error
	found.ours, err = controlPlane().Binary(ctx, progress)
	return found, err
}

// command returns the program of a server and the arguments that go before the server's own.
func (b binaries) command(name string) (binary string, arguments []string) {
	if path, ok := b.users[name]; ok {
		return path, nil
	}
	return b.ours, []string{name}
}

// anonymous asks servers for their health. They show a certificate that they signed themselves, and nothing secret is
// said to them.
var anonymous = &http.Client{Transport: &http.Transport{
	TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	DisableKeepAlives: true,
}}
