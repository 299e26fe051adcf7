package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// maxPointer is how large a pointer may be, as its specification says, and maxBatch how many objects one question may name.
	maxPointer = 1024
	maxBatch   = 100
	maxAnswer  = 4 << 20
	// lfsTime bounds the download of one object.
	lfsTime  = 5 * time.Minute
	mediaLFS = "application/vnd.git-lfs+json"
)

// pointer stands in Git for an object of LFS.
type pointer struct {
	oid  string
	size int64
	// files are where it stands.
	files []string
}

var pointerText = regexp.MustCompile(`^version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize ([0-9]{1,18})\n$`)

// fillPointers puts objects in the places of their pointers. What .lfsconfig says counts for nothing: the repository's own server is asked.
func (e *export) fillPointers(ctx context.Context, git *runner) error {
	all, err := pointers(e.dir)
	if err != nil || len(all) == 0 {
		return err
	}
	total := e.size
	for _, p := range all {
		total += p.size * int64(len(p.files))
		if p.size > maxTree {
			total = maxTree + 1
		}
		if err := fits(len(e.trees), total); err != nil {
			return err
		}
	}
	home, err := lfsHome(git.address)
	if err != nil {
		return err
	}
	client, err := browse(git.keys, git.credentials, home, false, false)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	for len(all) > 0 {
		some := all[:min(maxBatch, len(all))]
		all = all[len(some):]
		if err := e.fillBatch(ctx, git, client, home, some); err != nil {
			return git.credentials.fit(err)
		}
	}
	e.size = total
	return nil
}

// lfsHome is where the objects of a repository are asked for.
func lfsHome(a address) (*url.URL, error) {
	if a.scheme == "ssh" {
		return nil, errors.New("objects of LFS come over https; write the repoURL with https://")
	}
	u, err := url.Parse(strings.TrimSuffix(strings.TrimSuffix(a.remote, "/"), ".git") + ".git/info/lfs")
	if err != nil {
		return nil, errors.New("it is no URL")
	}
	return u, nil
}

// pointers finds those in a folder; a file with the text of a pointer is one, as for git lfs ls-files.
func pointers(dir string) ([]pointer, error) {
	var all []pointer
	at := map[string]int{}
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Size() > maxPointer {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		found := pointerText.FindSubmatch(text)
		if found == nil {
			return nil
		}
		oid := string(found[1])
		i, known := at[oid]
		if !known {
			size, err := strconv.ParseInt(string(found[2]), 10, 64)
			if err != nil {
				return fmt.Errorf("%s is a pointer without a size", entry.Name())
			}
			i, at[oid] = len(all), len(all)
			all = append(all, pointer{oid: oid, size: size})
		}
		all[i].files = append(all[i].files, file)
		return nil
	})
	return all, err
}

// The question and the answer of the batch API, as far as a download needs them.
type (
	lfsQuestion struct {
		Operation string      `json:"operation"`
		Transfers []string    `json:"transfers"`
		Objects   []lfsObject `json:"objects"`
	}
	lfsAnswer struct {
		Objects []lfsObject `json:"objects"`
	}
	lfsObject struct {
		OID     string `json:"oid"`
		Size    int64  `json:"size"`
		Actions struct {
			Download *lfsDownload `json:"download,omitempty"`
		} `json:"actions,omitzero"`
		Error *struct {
			Message string `json:"message"`
		} `json:"error,omitempty"`
	}
	lfsDownload struct {
		Href   string            `json:"href"`
		Header map[string]string `json:"header"`
	}
)

// fillBatch asks where some objects are, and fetches them.
func (e *export) fillBatch(ctx context.Context, git *runner, client *http.Client, home *url.URL, some []pointer) error {
	question := lfsQuestion{Operation: "download", Transfers: []string{"basic"}}
	for _, p := range some {
		question.Objects = append(question.Objects, lfsObject{OID: p.oid, Size: p.size})
	}
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, home.String()+"/objects/batch", bytes.NewReader(body))
	if err != nil {
		return errors.New("it is no URL")
	}
	request.Header.Set("Accept", mediaLFS)
	request.Header.Set("Content-Type", mediaLFS)
	var text bytes.Buffer
	if err := git.request(ctx, client, bounds{git.timeout, maxAnswer}, request, &text); err != nil {
		return fmt.Errorf("asking where they are: %w", err)
	}
	var answer lfsAnswer
	if err := json.Unmarshal(text.Bytes(), &answer); err != nil {
		return errors.New("asking where they are: the server does not answer as a server of LFS does")
	}
	places := map[string]lfsObject{}
	for _, o := range answer.Objects {
		places[o.OID] = o
	}
	for _, p := range some {
		if err := e.fill(ctx, git, client, p, places[p.oid]); err != nil {
			return fmt.Errorf("object %s: %w", p.oid, err)
		}
	}
	return nil
}

// fill fetches one object, and puts it in its places if it is what its pointers say.
func (e *export) fill(ctx context.Context, git *runner, client *http.Client, p pointer, at lfsObject) (err error) {
	switch {
	case at.Error != nil:
		return fmt.Errorf("the server says %s", at.Error.Message)
	case at.Actions.Download == nil:
		return errors.New("the server does not have it")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.Actions.Download.Href, nil)
	if err != nil {
		return errors.New("the server gives no URL for it")
	}
	for name, value := range at.Actions.Download.Header {
		request.Header.Set(name, value)
	}
	file, err := os.CreateTemp(filepath.Dir(e.dir), "object-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	sum := sha256.New()
	if err := git.request(ctx, client, bounds{lfsTime, p.size}, request, io.MultiWriter(file, sum)); err != nil {
		return err
	}
	if n, err := file.Seek(0, io.SeekCurrent); err != nil || n != p.size || hex.EncodeToString(sum.Sum(nil)) != p.oid {
		return errors.New("what the server gives is something else")
	}
	for _, to := range p.files {
		if err := replace(file, to); err != nil {
			return err
		}
	}
	return nil
}

// replace writes an object over its pointer, which keeps its mode.
func replace(object *os.File, to string) error {
	if _, err := object.Seek(0, io.SeekStart); err != nil {
		return err
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, object)
	return errors.Join(err, file.Close())
}
