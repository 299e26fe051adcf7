package source

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// deflated is a loose object.
func deflated(t *testing.T, head string, content []byte, times int) []byte {
	t.Helper()
	var text bytes.Buffer
	z := zlib.NewWriter(&text)
	if _, err := io.WriteString(z, head+"\x00"); err != nil {
		t.Fatal(err)
	}
	for range times {
		if _, err := z.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// TestServersOfPlainFilesAreBoundedAndLeadNowhere has servers that know nothing of Git, from which git reads objects and indexes as they lie there.
func TestServersOfPlainFilesAreBoundedAndLeadNowhere(t *testing.T) {
	tip, packed := strings.Repeat("1", 40), strings.Repeat("2", 40)
	loose, index := "/objects/11/"+tip[2:], "/objects/pack/pack-"+packed+".idx"
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another server was asked") }))
	t.Cleanup(other.Close)
	for name, files := range map[string]map[string][]byte{
		"an index that breaks off":           {index: append([]byte("\xfftOc\x00\x00\x00\x02"), make([]byte, 100)...)},
		"an index of a version to come":      {index: append([]byte("\xfftOc\x00\x00\x00\x04"), make([]byte, 2000)...)},
		"an index that counts more than all": {index: append([]byte("\xfftOc\x00\x00\x00\x02"), bytes.Repeat([]byte{0x7f, 0xff, 0xff, 0xff}, 300)...)},
		"an index without end":               {index: nil},
		"an object that is something else":   {loose: deflated(t, "commit 1", []byte("x"), 1)},
		"an object that is no object":        {loose: []byte("<html>" + canary)},
		"an object of 1,5 GiB":               {loose: deflated(t, fmt.Sprintf("blob %d", 3<<29), make([]byte, 1<<20), 3<<9)},
		"an object without end":              {loose: nil},
		"objects that lie elsewhere": {
			"/objects/info/http-alternates": []byte(other.URL + "/x.git/objects\n"), "/objects/info/alternates": []byte(other.URL + "/x.git/objects\n"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Bool
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				path := strings.TrimPrefix(q.URL.Path, "/x.git")
				text, found := files[path]
				asked.Store(asked.Load() || found || strings.HasPrefix(path, "/objects/"))
				switch {
				case path == "/info/refs":
					fmt.Fprintf(w, "%s\trefs/heads/main\n", tip)
				case path == "/HEAD":
					fmt.Fprint(w, "ref: refs/heads/main\n")
				case path == "/objects/info/packs":
					fmt.Fprintf(w, "P pack-%s.pack\n", packed)
				case found && text == nil:
					for q.Context().Err() == nil {
						if _, err := w.Write(make([]byte, 1<<16)); err != nil {
							return
						}
					}
				case found:
					_, _ = w.Write(text)
				default:
					http.NotFound(w, q)
				}
			}))
			defer server.Close()
			url := server.URL + "/x.git"
			all := repositories(t, url, canary)
			all.Timeout = 5 * time.Second
			begun := time.Now()
			_, err := all.Fetch(t.Context(), want(url, "main"), tip)
			if err == nil || strings.Contains(err.Error(), canary) || len(err.Error()) > 1000 {
				t.Errorf("error %v", err)
			}
			if !asked.Load() {
				t.Error("no object was asked for")
			}
			if took := time.Since(begun); took > 3*time.Minute {
				t.Errorf("it took %s", took)
			}
			if size := used(t, all.Dir); size > 64<<10 {
				t.Errorf("there is left %d KiB", size>>10)
			}
		})
	}
}
