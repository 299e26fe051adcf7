package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

var folder = fstest.MapFS{
	"sluice-controller":                 {Data: []byte("program"), Mode: 0o755},
	"etc/ssl/certs/ca-certificates.crt": {Data: []byte("trusted"), Mode: 0o600},
}

func unpack(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	files := map[string]string{}
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
}

func TestAnImageCanBeFollowedFromItsIndexToItsFiles(t *testing.T) {
	archive, err := pack(folder, "sluice-controller:dev", "amd64")
	if err != nil {
		t.Fatal(err)
	}
	files := unpack(t, archive)
	blob := func(d descriptor) string {
		content, ok := files["blobs/"+strings.ReplaceAll(d.Digest, ":", "/")]
		if !ok || len(content) != d.Size || "sha256:"+digest([]byte(content)) != d.Digest {
			t.Fatalf("the blob %v is missing or is another one", d)
		}
		return content
	}
	var index struct{ Manifests []descriptor }
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	var config struct {
		Rootfs struct {
			IDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal([]byte(files["index.json"]), &index); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(blob(index.Manifests[0])), &manifest); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(blob(manifest.Config)), &config); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(strings.NewReader(blob(manifest.Layers[0])))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if "sha256:"+digest(layer) != config.Rootfs.IDs[0] {
		t.Error("the layer is not the one that the configuration names")
	}
	want := map[string]string{"sluice-controller": "program", "etc/ssl/certs/ca-certificates.crt": "trusted"}
	if diff := cmp.Diff(want, unpack(t, layer)); diff != "" {
		t.Error(diff)
	}
}

func TestTheSameFolderGivesTheSameBytes(t *testing.T) {
	first, err := pack(folder, "a:b", "amd64")
	if err != nil {
		t.Fatal(err)
	}
	second, err := pack(folder, "a:b", "amd64")
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("the archives differ, error %v", err)
	}
}
