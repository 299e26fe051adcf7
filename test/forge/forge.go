package forge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-delivery/sluice/test/world/httpserver"
)

// Forge serves the repositories in a folder.
type Forge struct {
	// URL is where the repositories are: that of the repository shop is URL/shop.git.
	URL string

	dir        string
	server     *http.Server
	served     chan error
	deliveries sync.WaitGroup

	mu          sync.Mutex
	hooks       []hook
	hushed      bool
	undelivered []error
}

// Start serves the repositories of a folder of its own until Stop.
func Start(dir string) (*Forge, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serving Git repositories: %w", err)
	}
	f := &Forge{URL: "http://" + listener.Addr().String(), dir: dir, served: make(chan error, 1)}
	f.server = httpserver.New(f.handler())
	go func() { f.served <- f.server.Serve(listener) }()
	return f, nil
}

// Stop ends the server. The repositories stay in their folder. The error also says which pushes could not be told.
func (f *Forge) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := f.server.Shutdown(ctx)
	if served := <-f.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	f.deliveries.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(append(f.undelivered, err)...)
}

// Create makes an empty repository and a working copy to push to it from, on the branch main.
func (f *Forge) Create(ctx context.Context, name string) (*Copy, error) {
	bare := filepath.Join(f.dir, name+".git")
	if _, err := git(ctx, f.dir, "init", "--quiet", "--bare", "--initial-branch=main", "--", bare); err != nil {
		return nil, fmt.Errorf("making the repository %s: %w", name, err)
	}
	c := &Copy{Dir: filepath.Join(f.dir, name), URL: f.URL + "/" + name + ".git"}
	if _, err := git(ctx, f.dir, "init", "--quiet", "--initial-branch=main", "--", c.Dir); err != nil {
		return nil, fmt.Errorf("making a working copy of %s: %w", name, err)
	}
	// People may go on with it in a shell.
	for _, setting := range [][]string{{"remote", "add", "origin", c.URL}, {"config", "user.name", "Developer"}, {"config", "user.email", "developer@example.com"}} {
		if _, err := git(ctx, c.Dir, setting...); err != nil {
			return nil, fmt.Errorf("making a working copy of %s: %w", name, err)
		}
	}
	return c, nil
}
