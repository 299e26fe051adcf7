package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/sluice-delivery/sluice/"

	longestFunction = 80
	longestFile     = 500
)

// impure lists what a pure room does not import, and clock what it does not call.
var (
	impure = regexp.MustCompile(`^"(os(/.*)?|net(/http.*)?|io/(fs|ioutil)|syscall|math/rand.*|k8s\.io/client-go/.*|sigs\.k8s\.io/controller-runtime.*)"$`)
	clock  = regexp.MustCompile(`\btime\.(Now|Since|Until|Sleep|After|AfterFunc|Tick|NewTimer|NewTicker)\(`)
)

// banned are words that have no place in a finished repository, and paths of somebody's machine; they are put together here so that
// this file does not hold them.
var banned = regexp.MustCompile(`\.\./shared|\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b|(^|[^\w.:/-])/(work|root|home|Users)` + `/\w`)

type source struct {
	path, folder string // below the root, with slashes
	text         string
	file         *ast.File
	lines        func(ast.Node) int
}

// sources parses every Go file of the repository.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	walk(t, func(path string, text string) {
		if !strings.HasSuffix(path, ".go") {
			return
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		lines := func(n ast.Node) int { return set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1 }
		all = append(all, source{path, filepath.ToSlash(filepath.Dir(path)), text, file, lines})
	})
	return all
}

func walk(t *testing.T, visit func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && slices.Contains([]string{".git", "bin", "dist"}, name) {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, path)
		visit(filepath.ToSlash(below), string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") || strings.HasPrefix(s.path, "test/") {
			continue
		}
		this, known := rooms[s.folder]
		if !known {
			t.Errorf("%s: the package %s has no row in internal/house/rooms_test.go; does it have a place?", s.path, s.folder)
			continue
		}
		for _, imported := range s.file.Imports {
			ours, is := strings.CutPrefix(strings.Trim(imported.Path.Value, `"`), module)
			if is && !slices.Contains(this.may, ours) {
				t.Errorf("%s: %s may not import %s; move what is shared down, or the code that needs it up", s.path, s.folder, ours)
			}
			if this.pure && impure.MatchString(imported.Path.Value) {
				t.Errorf("%s: %s is pure and may not import %s; take what it gives as a value", s.path, s.folder, imported.Path.Value)
			}
		}
		if call := clock.FindString(s.text); this.pure && call != "" {
			t.Errorf("%s: %s is pure and may not call %s); take the time as a value", s.path, s.folder, call)
		}
	}
}

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	for _, s := range sources(t) {
		name := filepath.Base(s.path)
		if n := strings.Count(s.text, "\n"); n > longestFile && !strings.HasSuffix(name, "_types.go") && !strings.HasPrefix(name, "zz_generated") {
			t.Errorf("%s has %d lines, more than %d; split it by what its parts are about", s.path, n, longestFile)
		}
		for _, d := range s.file.Decls {
			if f, is := d.(*ast.FuncDecl); is && s.lines(f) > longestFunction && !strings.HasSuffix(name, "_test.go") {
				t.Errorf("%s: %s has %d lines, more than %d; name its parts", s.path, f.Name, s.lines(f), longestFunction)
			}
		}
	}
}

func TestEachPackageSaysWhatItIsFor(t *testing.T) {
	said, folders := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		folders[s.folder] = true
		first := s.file.Doc.Text()
		if filepath.Base(s.path) == "doc.go" && (strings.HasPrefix(first, "Package ") || strings.HasPrefix(first, "Command ")) {
			said[s.folder] = true
		}
	}
	for folder := range folders {
		if !said[folder] {
			t.Errorf("%s needs a doc.go whose first sentence says what the package is for", folder)
		}
	}
}

func TestNothingUnfinishedAndNoPathOfAMachineIsKept(t *testing.T) {
	walk(t, func(path, text string) {
		if found := banned.FindString(text); found != "" && !strings.HasSuffix(path, ".sum") && path != ".ci/run" {
			t.Errorf("%s holds %q", path, strings.TrimSpace(found))
		}
	})
}
