package forge

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// handler speaks the smart HTTP protocol: it hands what comes to git's own programs, of which each call knows no other.
func (f *Forge) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{repository}/info/refs", func(w http.ResponseWriter, r *http.Request) {
		f.serve(w, r, strings.TrimPrefix(r.URL.Query().Get("service"), "git-"), true)
	})
	for _, service := range []string{"upload-pack", "receive-pack"} {
		mux.HandleFunc("POST /{repository}/git-"+service, func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, service, false) })
	}
	return mux
}

var repositoryName = regexp.MustCompile(`^[a-z0-9-]+\.git$`)

func (f *Forge) serve(w http.ResponseWriter, r *http.Request, service string, advertise bool) {
	name := r.PathValue("repository")
	if service != "upload-pack" && service != "receive-pack" || !repositoryName.MatchString(name) {
		http.NotFound(w, r)
		return
	}
	arguments, kind := []string{service, "--stateless-rpc"}, "result"
	if advertise {
		arguments, kind = append(arguments, "--advertise-refs"), "advertisement"
	}
	body, err := bodyOf(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	command := exec.CommandContext(r.Context(), "git", append(arguments, filepath.Join(f.dir, name))...)
	command.Env = append(environment(f.dir), "GIT_PROTOCOL="+r.Header.Get("Git-Protocol"))
	var answer, problem bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = body, &answer, &problem
	if err := command.Run(); err != nil {
		http.Error(w, fmt.Sprintf("git %s: %v: %s", service, err, problem.String()), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-git-"+service+"-"+kind)
	w.Header().Set("Cache-Control", "no-cache")
	if advertise {
		first := "# service=git-" + service + "\n"
		fmt.Fprintf(w, "%04x%s0000", len(first)+4, first)
	}
	_, _ = w.Write(answer.Bytes()) // who hung up needs no answer
	if service == "receive-pack" && !advertise {
		f.tell(name)
	}
}

// bodyOf is the request's body; git squeezes longer ones.
func bodyOf(r *http.Request) (io.Reader, error) {
	if r.Header.Get("Content-Encoding") == "gzip" {
		return gzip.NewReader(r.Body)
	}
	return r.Body, nil
}
