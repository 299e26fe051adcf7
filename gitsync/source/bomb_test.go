package source

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // packs end with it
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Types of the objects in a pack.
const (
	packBlob  = 3
	packDelta = 7 // of an object that is named
)

// pktLine is one line of the protocol.
func pktLine(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }

// band writes packets of a side band: 1 is for the pack, 2 for progress.
type band struct {
	to     io.Writer
	number byte
}

func (b band) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		part := p[:min(len(p), 60_000)]
		_, err = io.WriteString(b.to, pktLine(string(b.number)+string(part)))
		p, n = p[len(part):], n+len(part)
	}
	return n, err
}

// pack writes objects as they are sent.
type pack struct {
	to  io.Writer
	sum hash.Hash
}

func newPack(to io.Writer, objects uint32) *pack {
	p := &pack{sum: sha1.New()} //nolint:gosec // packs end with it
	p.to = io.MultiWriter(to, p.sum)
	head := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), objects)
	_, _ = p.to.Write(head)
	return p
}

// object begins one of a type and a size, of which the base comes first if it is a delta.
func (p *pack) object(kind int, size uint64, base, content []byte, times int) {
	head := []byte{byte(kind<<4) | byte(size&15)}
	for size >>= 4; size > 0; size >>= 7 {
		head[len(head)-1] |= 0x80
		head = append(head, byte(size&0x7f))
	}
	_, _ = p.to.Write(append(head, base...))
	z := zlib.NewWriter(p.to)
	for range times {
		if _, err := z.Write(content); err != nil {
			return // who hung up needs no more
		}
	}
	_ = z.Close()
}

func (p *pack) end() { _, _ = p.to.Write(p.sum.Sum(nil)) }

// varint is a number as deltas have it.
func varint(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// used is how much a folder holds, in bytes.
func used(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

func TestPacksOfAHostileServerAreBoundedInTimeAndOnDisk(t *testing.T) {
	const gib = 1 << 30
	zeros := make([]byte, 1<<20)
	for name, send := range map[string]func(q *http.Request, w io.Writer){
		"a blob of 5 GiB": func(_ *http.Request, w io.Writer) {
			p := newPack(band{w, 1}, 1)
			p.object(packBlob, 5*gib, nil, zeros, 5*gib/len(zeros))
			p.end()
		},
		"a delta that makes 3 GiB of 64 KiB": func(_ *http.Request, w io.Writer) {
			base := zeros[:1<<16]
			named := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(base)), base...)) //nolint:gosec // the name of an object
			// Each byte 0x80 copies 64 KiB from the start of the base.
			delta := append(append(varint(uint64(len(base))), varint(3*gib)...), bytes.Repeat([]byte{0x80}, 3*gib>>16)...)
			p := newPack(band{w, 1}, 2)
			p.object(packBlob, uint64(len(base)), nil, base, 1)
			p.object(packDelta, uint64(len(delta)), named[:], delta, 1)
			p.end()
		},
		"a wrong checksum": func(_ *http.Request, w io.Writer) {
			p := newPack(band{w, 1}, 1)
			p.object(packBlob, 1, nil, []byte("x"), 1)
			_, _ = p.to.Write(make([]byte, 20))
		},
		"more objects than there are": func(_ *http.Request, w io.Writer) {
			p := newPack(band{w, 1}, 1<<31)
			p.object(packBlob, 1, nil, []byte("x"), 1)
			p.end()
		},
		"a pack that stops half way": func(q *http.Request, w io.Writer) {
			p := newPack(band{w, 1}, 2)
			p.object(packBlob, 1, nil, []byte("x"), 1)
			// What cannot be compressed further takes its place on the disk.
			_, _ = p.to.Write([]byte{byte(packBlob<<4) | 0x80 | 15, 0xff, 0xff, 0xff, 0x7f, 0x78, 0x01})
			stored := append([]byte{0, 0xff, 0xff, 0, 0}, bytes.Repeat([]byte("y"), 0xffff)...)
			for range 256 {
				_, _ = p.to.Write(stored)
			}
			if f, can := w.(http.Flusher); can {
				f.Flush()
			}
			<-q.Context().Done()
		},
		"progress without end": func(q *http.Request, w io.Writer) {
			for q.Context().Err() == nil {
				if _, err := (band{w, 2}).Write([]byte(strings.Repeat(canary+"\n", 1000))); err != nil {
					return
				}
			}
		},
		"a byte now and then": func(q *http.Request, w io.Writer) {
			for q.Context().Err() == nil {
				_, _ = (band{w, 2}).Write([]byte("x"))
				if f, can := w.(http.Flusher); can {
					f.Flush()
				}
				select {
				case <-time.After(100 * time.Millisecond):
				case <-q.Context().Done():
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tip := strings.Repeat("1", 40)
			var sent atomic.Bool
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if strings.HasSuffix(q.URL.Path, "/info/refs") {
					w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
					fmt.Fprint(w, pktLine("# service=git-upload-pack\n"), "0000", pktLine(tip+" refs/heads/main\x00side-band-64k\n"), "0000")
					return
				}
				_, _ = io.Copy(io.Discard, q.Body)
				sent.Store(true)
				w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
				fmt.Fprint(w, pktLine("NAK\n"))
				send(q, w)
			}))
			defer server.Close()
			url := server.URL + "/x.git"
			all := repositories(t, url, canary)
			all.Timeout = 10 * time.Second
			begun := time.Now()
			_, err := all.Fetch(t.Context(), want(url, "main"), tip)
			if err == nil || strings.Contains(err.Error(), canary) || len(err.Error()) > 1000 {
				t.Errorf("error %v", err)
			}
			if !sent.Load() {
				t.Error("nothing was asked for")
			}
			// Some questions are asked one after the other, each with its own bound.
			if took := time.Since(begun); took > 90*time.Second {
				t.Errorf("it took %s", took)
			}
			if size := used(t, all.Dir); size > 64<<10 {
				t.Errorf("there is left %d KiB", size>>10)
			}
		})
	}
}

func TestNamesThatDifferOnlyInCaseAndLinksInACircleStayWhatTheyAre(t *testing.T) {
	r := serve(t)
	for from, to := range map[string]string{"a": "b", "b": "a", "self": "self", "up": "../../.."} {
		if err := os.Symlink(to, filepath.Join(r.dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	commit := r.write(t, map[string]string{"Case.yaml": "upper", "case.yaml": "lower", "CASE/x": "1", "case/x": "2"})
	got, err := repositories(t, r.url, canary).Fetch(t.Context(), want(r.url, ""), commit)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	for name, text := range map[string]string{"Case.yaml": "upper", "case.yaml": "lower", "CASE/x": "1", "case/x": "2"} {
		if is, err := os.ReadFile(filepath.Join(got.Dir, name)); err != nil || string(is) != text {
			t.Errorf("%s says %q, %v", name, is, err)
		}
	}
	for from, to := range map[string]string{"a": "b", "self": "self", "up": "../../.."} {
		if is, err := os.Readlink(filepath.Join(got.Dir, from)); err != nil || is != to {
			t.Errorf("%s leads to %q, %v", from, is, err)
		}
	}
}

func TestFilesThatWouldConfigureGitAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ lines, reason string }{
		"a link in the place of .gitmodules": {"120000 blob %s\t.gitmodules\n", "gitmodulesSymlink"},
		"a submodule in .git":                {"040000 tree %[2]s\t.git\n", "hasDotgit"},
		"a folder that is .git on a Mac":     {"040000 tree %[2]s\t.g\u200cit\n", "hasDotgit"},
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t)
			r.commit(t, "one")
			lines := c.lines
			if strings.Contains(lines, "%[2]s") {
				lines = strings.ReplaceAll(lines, "%[2]s", r.git(t, "rev-parse", "HEAD^{tree}"))
			} else {
				lines = fmt.Sprintf(lines, r.git(t, "rev-parse", "HEAD:cm.yaml"))
			}
			sha := r.tree(t, lines)
			_, err := repositories(t, r.url, canary).Fetch(t.Context(), want(r.url, ""), sha)
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("error %v, want %q", err, c.reason)
			}
		})
	}
}
