package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// link is a link in Markdown to a file of the repository, without what follows a #.
var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// linked gives the files that a page leads to, below the root.
func linked(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, match := range link.FindAllStringSubmatch(string(text), -1) {
		files = append(files, filepath.Join(filepath.Dir(page), match[1]))
	}
	return files
}

func TestEveryLinkBetweenPagesLeadsToAFile(t *testing.T) {
	pages := []string{filepath.Join(root, "README.md")}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		for _, file := range linked(t, page) {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which is not there", page, file)
			}
		}
	}
}

func TestEveryPageOfDifferencesStandsInTheIndex(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "compatibility", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("found %d pages, error %v", len(pages), err)
	}
	index := strings.Join(linked(t, filepath.Join(root, "docs", "compatibility.md")), "\n")
	for _, page := range pages {
		if !strings.Contains(index, page) {
			t.Errorf("docs/compatibility.md leads nobody to %s", page)
		}
	}
}
