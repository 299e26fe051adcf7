package forge

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Copy is a working copy of one repository.
type Copy struct {
	// Dir has the files, and URL is where they are pushed to.
	Dir, URL string
}

// Write puts files into the working copy, by path.
func (c *Copy) Write(files map[string][]byte) error {
	for path, content := range files {
		file := filepath.Join(c.Dir, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Commit records all files, changed or not, and gives the SHA of the commit.
func (c *Copy) Commit(ctx context.Context, message string) (string, error) {
	for _, arguments := range [][]string{{"add", "--all"}, {"commit", "--quiet", "--allow-empty", "--message=" + message}} {
		if _, err := git(ctx, c.Dir, arguments...); err != nil {
			return "", err
		}
	}
	return git(ctx, c.Dir, "rev-parse", "HEAD")
}

// Push brings the commits to the branch main, as people do.
func (c *Copy) Push(ctx context.Context) error {
	_, err := git(ctx, c.Dir, "push", "--quiet", "origin", "main")
	return err
}

// Merge moves the working copy forward to a branch of the repository, as a person does who accepts it.
func (c *Copy) Merge(ctx context.Context, branch string) error {
	for _, arguments := range [][]string{{"fetch", "--quiet", "origin", "refs/heads/" + branch}, {"merge", "--quiet", "--ff-only", "FETCH_HEAD"}} {
		if _, err := git(ctx, c.Dir, arguments...); err != nil {
			return err
		}
	}
	return nil
}

// environment is all that git sees: neither files of the user nor of the machine, and no prompt.
func environment(dir string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_TERMINAL_PROMPT=0", "GIT_AUTHOR_NAME=Developer", "GIT_AUTHOR_EMAIL=developer@example.com",
		"GIT_COMMITTER_NAME=Developer", "GIT_COMMITTER_EMAIL=developer@example.com", "NO_PROXY=127.0.0.1"}
}

func git(ctx context.Context, dir string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", arguments...)
	command.Dir, command.Env = dir, environment(dir)
	var out, problem bytes.Buffer
	command.Stdout, command.Stderr = &out, &problem
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", arguments[0], err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(out.String()), nil
}
