package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

func TestMain(m *testing.M) {
	if IsChild() {
		os.Exit(Serve(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// packed makes an archive of entries.
func packed(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var text bytes.Buffer
	z := gzip.NewWriter(&text)
	w := tar.NewWriter(z)
	for _, h := range entries {
		content := h.Linkname
		if h.Typeflag == tar.TypeReg {
			h.Linkname, h.Size = "", max(h.Size, int64(len(content)))
		}
		h.Mode = 0o600
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(append([]byte(content), make([]byte, h.Size-int64(len(content)))...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// file is an entry with a content.
func file(name, content string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: content}
}

// chartServer is a Helm repository whose archives lie on another host, as on the large hosts of today.
type chartServer struct {
	url              string
	index            string
	archive          []byte
	indexes, strange atomic.Int32
}

func serveCharts(t *testing.T) *chartServer {
	t.Helper()
	s := &chartServer{archive: packed(t, file("web/Chart.yaml", "name: web\nversion: 1.3.0\n"), file("web/templates/a.yaml", "a: b\n"))}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") != "" {
			s.strange.Add(1)
		}
		_, _ = w.Write(s.archive)
	}))
	t.Cleanup(other.Close)
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if _, password, _ := q.BasicAuth(); password != canary {
			http.Error(w, "who are you with your "+password, http.StatusUnauthorized)
			return
		}
		switch q.URL.Path {
		case "/charts/index.yaml":
			s.indexes.Add(1)
			fmt.Fprint(w, s.index)
		case "/charts/moved.tgz":
			http.Redirect(w, q, other.URL+"/web.tgz", http.StatusFound)
		case "/charts/metadata.tgz":
			http.Redirect(w, q, "http://169.254.169.254/latest/meta-data", http.StatusFound)
		case "/charts/circle.tgz":
			http.Redirect(w, q, "/charts/circle.tgz", http.StatusFound)
		case "/charts/file.tgz":
			http.Redirect(w, q, "file:///etc/passwd", http.StatusFound)
		case "/charts/endless.tgz":
			for block := make([]byte, 1<<20); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		default:
			http.NotFound(w, q)
		}
	}))
	t.Cleanup(home.Close)
	s.url = home.URL + "/charts"
	entry := func(version, url, digest string) string {
		return fmt.Sprintf("  - version: %s\n    urls: [%q]\n    digest: %q\n", version, url, digest)
	}
	s.index = "apiVersion: v1\nentries:\n  other:\n" + entry("9.0.0", "x.tgz", "") + "  web:\n" + entry("1.3.0", "moved.tgz", fmt.Sprintf("%x", sha256.Sum256(s.archive))) +
		entry("1.4.0-rc.1", "moved.tgz", "") + entry("1.2.0", other.URL+"/web.tgz", "") + entry("0.1.0", "moved.tgz", strings.Repeat("0", 64)) +
		entry("0.2.0", "metadata.tgz", "") + entry("0.3.0", "circle.tgz", "") + entry("0.4.0", "endless.tgz", "") + entry("0.5.0", "gone.tgz", "") + entry("0.6.0", "file.tgz", "") +
		entry("0.7.0", "", "") + "generated: now\n"
	return s
}

func charts(t *testing.T, s *chartServer, password string) *Repositories {
	return &Repositories{Dir: t.TempDir(), Poll: time.Hour, Timeout: 20 * time.Second, Schemes: []string{"http"}, Keys: func(context.Context) (Keys, error) {
		return Keys{Secrets: []corev1.Secret{{
			ObjectMeta: metav1.ObjectMeta{Name: "charts", Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepository}},
			Data:       map[string][]byte{"url": []byte(s.url), "type": []byte("helm"), "username": []byte("u"), "password": []byte(password)},
		}}}, nil
	}}
}

func wantChart(s *chartServer, chart, version string) gitsync.Want {
	return gitsync.Want{Project: &gitopsv1.AppProject{}, Source: gitopsv1.Source{RepoURL: s.url, Chart: chart, TargetRevision: version}}
}

func TestVersionsOfChartsResolveAndTheIndexIsAskedForOnce(t *testing.T) {
	s := serveCharts(t)
	all := charts(t, s, canary)
	for asked, version := range map[string]string{"1.2.0": "1.2.0", "1.x": "1.3.0", ">=1.2": "1.3.0", "1.4.0-rc.1": "1.4.0-rc.1", ">=1.4.0-0": "1.4.0-rc.1", "~1.2": "1.2.0"} {
		if got, err := all.Resolve(t.Context(), wantChart(s, "web", asked)); err != nil || got != version {
			t.Errorf("%s gives %s, %v", asked, got, err)
		}
	}
	if got, err := all.Resolve(t.Context(), wantChart(s, "other", "*")); err != nil || got != "9.0.0" {
		t.Errorf("the other chart gives %s, %v", got, err)
	}
	if n := s.indexes.Load(); n != 1 {
		t.Errorf("the index was asked for %d times, not once", n)
	}
}

func TestAChartIsUnpackedWithoutItsFolderAndCredentialsStayAtHome(t *testing.T) {
	s := serveCharts(t)
	all := charts(t, s, canary)
	for _, version := range []string{"1.3.0", "1.2.0"} {
		got, err := all.Fetch(t.Context(), wantChart(s, "web", version), version)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Release()
		if text, err := os.ReadFile(filepath.Join(got.Dir, "templates/a.yaml")); err != nil || string(text) != "a: b\n" {
			t.Errorf("%s: the file says %q, %v", version, text, err)
		}
		if id, err := got.Tree(t.Context(), "."); err != nil || !strings.HasPrefix(id, "archive ") {
			t.Errorf("%s: the tree is %q, %v", version, id, err)
		}
	}
	if n := s.strange.Load(); n != 0 {
		t.Errorf("the credentials were sent to another host %d times", n)
	}
}

func TestWhatIsWrongWithAChartIsToldWithoutSecrets(t *testing.T) {
	s := serveCharts(t)
	for version, reason := range map[string]string{
		"0.1.0": "the index says 000", "0.2.0": "no address of a server that may be asked", "0.3.0": "redirects more than", "0.4.0": "larger than", "0.5.0": "Not Found", "0.6.0": "not allowed",
		"0.7.0": "no usable URL", "7.0.0": "no version 7.0.0",
	} {
		_, err := charts(t, s, canary).Fetch(t.Context(), wantChart(s, "web", version), version)
		if err == nil || !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s gives %v, want %q", version, err, reason)
		}
	}
	for asked, reason := range map[string]string{"no": "no version constraint", "5.x": "no version fulfils"} {
		if _, err := charts(t, s, canary).Resolve(t.Context(), wantChart(s, "web", asked)); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s gives %v, want %q", asked, err, reason)
		}
	}
	if _, err := charts(t, s, canary).Resolve(t.Context(), wantChart(s, "none", "1")); err == nil || !strings.Contains(err.Error(), `no chart "none"`) {
		t.Errorf("error %v", err)
	}
	var unreachable *gitsync.UnreachableError
	if _, err := charts(t, s, "wrong-"+canary).Resolve(t.Context(), wantChart(s, "web", "1")); !errors.As(err, &unreachable) || strings.Contains(err.Error(), canary) {
		t.Errorf("error %v", err)
	}
}

func TestAUserInAURLIsNotToldBecauseSomeAreTokens(t *testing.T) {
	s := serveCharts(t)
	w := wantChart(s, "web", "1.x")
	w.Source.RepoURL = strings.Replace(s.url, "http://", "http://token-9c1e@", 1)
	for chart, reason := range map[string]string{"none": "the repository has no chart", "web": "no version fulfils"} {
		w.Source.Chart, w.Source.TargetRevision = chart, ">9"
		all := charts(t, s, canary)
		all.Keys = keysOf(gitopsv1.SecretTypeRepository, map[string]string{"url": w.Source.RepoURL, "type": "helm", "username": "u", "password": canary})
		if _, err := all.Resolve(t.Context(), w); err == nil || !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), "token-9c1e") {
			t.Errorf("error %v, want %q", err, reason)
		}
	}
}

// sparse is an archive with a file that is said to be large, of which nothing is there.
func sparse(t *testing.T, size int64) []byte {
	t.Helper()
	where := make([]byte, 512)
	copy(where, "1\n0\n0\n")
	// The package that writes archives writes none such, and checks no sum of these records.
	plain := file("x", string(where))
	plain.PAXRecords = map[string]string{"QNU.sparse.major": "1", "QNU.sparse.minor": "0", "QNU.sparse.name": "x", "QNU.sparse.realsize": fmt.Sprint(size)}
	text, err := decompressed(bytes.NewReader(packed(t, plain)))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(text)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(all, []byte("QNU.sparse"), []byte("GNU.sparse"))
}

func TestAHostileIndexIsRefused(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := '1'; i <= '9'; i++ {
		bomb += "a" + string(i) + ": &a" + string(i) + " [" + strings.Repeat("*a"+string(i-1)+",", 9) + "]\n"
	}
	for name, text := range map[string]string{"a bomb of aliases": bomb + "entries: {web: [*a9]}\n", "nesting without end": "entries: " + strings.Repeat("[", 1<<20), "something else": "<html>", "NUL": "entries:\n  web:\n  - \x00\n"} {
		s := serveCharts(t)
		s.index = text
		begun := time.Now()
		_, err := charts(t, s, canary).Resolve(t.Context(), wantChart(s, "web", "1"))
		if err == nil || !strings.Contains(err.Error(), "cannot be read as an index") && !strings.Contains(err.Error(), "needed more than") {
			t.Errorf("%s gives %v", name, err)
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("%s took %s", name, took)
		}
	}
}

func TestHostileArchivesAreRefused(t *testing.T) {
	many := make([]tar.Header, maxFiles+1)
	for i := range many {
		many[i] = tar.Header{Typeflag: tar.TypeDir, Name: "a/"}
	}
	for name, c := range map[string]struct {
		archive []byte
		reason  string
	}{
		"a path upwards":             {packed(t, file("../x", "x")), "leads out of it"},
		"a path upwards inside":      {packed(t, file("a/../../x", "x")), "leads out of it"},
		"an absolute path":           {packed(t, file("/tmp/x", "x")), "leads out of it"},
		"a backslash":                {packed(t, file(`..\x`, "x")), "leads out of it"},
		"a link":                     {packed(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "x", Linkname: "/etc/passwd"}), "neither a file nor a folder"},
		"a hard link":                {packed(t, tar.Header{Typeflag: tar.TypeLink, Name: "x", Linkname: "/etc/passwd"}), "neither a file nor a folder"},
		"a device":                   {packed(t, tar.Header{Typeflag: tar.TypeBlock, Name: "x"}), "neither a file nor a folder"},
		"a pipe":                     {packed(t, tar.Header{Typeflag: tar.TypeFifo, Name: "x"}), "neither a file nor a folder"},
		"a file twice":               {packed(t, file("x", "1"), file("x", "2")), "file exists"},
		"a bomb":                     {packed(t, tar.Header{Typeflag: tar.TypeReg, Name: "x", Size: 2 << 20}), "holds more than 1 MiB"},
		"a bomb of two files":        {packed(t, tar.Header{Typeflag: tar.TypeReg, Name: "x", Size: 1 << 19}, tar.Header{Typeflag: tar.TypeReg, Name: "y", Size: 1 << 20}), "holds more than 1 MiB"},
		"a file with holes":          {sparse(t, 7<<30), "holds more than 1 MiB"},
		"more entries than anybody":  {packed(t, many...), "more than 50000 entries"},
		"no archive":                 {[]byte("<html>" + strings.Repeat("x", 1000)), "reading the archive"},
		"an archive that breaks off": {packed(t, file("x", strings.Repeat("x", 4096)))[:60], "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			begun := time.Now()
			err := unpack(bytes.NewReader(c.archive), dir, false, 1<<20)
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("error %v, want %q", err, c.reason)
			}
			if took := time.Since(begun); took > time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
}
