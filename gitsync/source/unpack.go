package source

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	// maxPacked bounds an archive, and maxUnpacked what comes out of it, in bytes.
	maxPacked   = 128 << 20
	maxUnpacked = 512 << 20
	maxFiles    = 50_000
)

// unpack writes the files of a tar archive, which may be compressed with gzip, into an empty folder, left bytes at most. Everything but files and
// folders is refused.
func unpack(archive io.Reader, dir string, strip bool, left int64) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	plain, err := decompressed(archive)
	if err != nil {
		return err
	}
	most := left
	entries := tar.NewReader(plain)
	for n := 0; ; n++ {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the archive: %w", err)
		}
		if n >= maxFiles {
			return fmt.Errorf("the archive has more than %d entries", maxFiles)
		}
		name, err := entryName(header, strip)
		if err != nil {
			return err
		}
		if name == "" || header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		written, err := place(root, name, header, io.LimitReader(entries, left+1))
		if err != nil {
			return fmt.Errorf("unpacking %.200q: %w", name, err)
		}
		if left -= written; left < 0 {
			return fmt.Errorf("the archive holds more than %d MiB", most>>20)
		}
	}
}

func decompressed(archive io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(archive)
	if start, err := buffered.Peek(2); err != nil || !bytes.Equal(start, []byte{0x1f, 0x8b}) {
		return buffered, nil //nolint:nilerr // what is too short to be compressed is too short to be an archive, which its reader tells
	}
	unzipped, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	return unzipped, nil
}

// entryName is where an entry goes. The folder that a chart is packed with is taken off if strip is set; then the name may be empty.
func entryName(header *tar.Header, strip bool) (string, error) {
	name := filepath.Clean(header.Name)
	if !filepath.IsLocal(name) || strings.ContainsRune(header.Name, 0) || strings.Contains(header.Name, `\`) || len(name) > 4096 {
		return "", fmt.Errorf("the archive holds %.200q, which leads out of it", header.Name)
	}
	if strip {
		_, name, _ = strings.Cut(name, "/")
	}
	if name == "." {
		name = ""
	}
	return name, nil
}

func place(root *os.Root, name string, header *tar.Header, content io.Reader) (int64, error) {
	switch header.Typeflag {
	case tar.TypeDir:
		return 0, root.MkdirAll(name, 0o700)
	case tar.TypeReg:
	default:
		return 0, errors.New("it is neither a file nor a folder; links and devices are refused")
	}
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return 0, err
		}
	}
	// A second entry of the same name would be another content than somebody verified.
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	written, err := io.Copy(file, content)
	return written, errors.Join(err, file.Close())
}
