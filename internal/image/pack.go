package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
)

const (
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
	configType   = "application/vnd.oci.image.config.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"
	// user is the one that the Deployment asks for; it owns nothing in the image.
	user = "65532:65532"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// layout collects the blobs of an image, by their place in the archive.
type layout struct {
	files []file
}

type file struct {
	name    string
	content []byte
	mode    int64
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func (l *layout) blob(mediaType string, content []byte) descriptor {
	l.files = append(l.files, file{blobPath(content), content, 0o644})
	return descriptor{MediaType: mediaType, Digest: "sha256:" + digest(content), Size: len(content)}
}

func blobPath(content []byte) string { return "blobs/sha256/" + digest(content) }

func (l *layout) document(name string, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	l.files = append(l.files, file{name, content, 0o644})
	return nil
}

// pack makes the archive of an image with one layer that holds the folder, and whose one program is started.
func pack(folder fs.FS, name, architecture string) ([]byte, error) {
	layer, err := layerOf(folder)
	if err != nil {
		return nil, err
	}
	var squeezed bytes.Buffer
	z := gzip.NewWriter(&squeezed)
	if _, err := z.Write(layer); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": architecture, "os": "linux",
		"config": map[string]any{"User": user, "Entrypoint": []string{"/sluice-controller"}, "WorkingDir": "/", "Env": []string{"PATH=/usr/bin:/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
	})
	if err != nil {
		return nil, err
	}
	var l layout
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": manifestType,
		"config": l.blob(configType, config), "layers": []descriptor{l.blob(layerType, squeezed.Bytes())}})
	if err != nil {
		return nil, err
	}
	image := l.blob(manifestType, manifest)
	image.Annotations = map[string]string{"org.opencontainers.image.ref.name": name, "io.containerd.image.name": "docker.io/library/" + name}
	for _, d := range []struct {
		name  string
		value any
	}{
		{"oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}},
		{"index.json", map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": []descriptor{image}}},
		// Engines that do not know the layout read this one.
		{"manifest.json", []map[string]any{{"Config": blobPath(config), "RepoTags": []string{name}, "Layers": []string{blobPath(squeezed.Bytes())}}}},
	} {
		if err := l.document(d.name, d.value); err != nil {
			return nil, err
		}
	}
	return archive(l.files)
}

// layerOf reads the folder in the order of names. Programs keep their right to run; nothing else of the file system is kept.
func layerOf(folder fs.FS) ([]byte, error) {
	var files []file
	err := fs.WalkDir(folder, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(folder, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		files = append(files, file{path, content, mode})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return archive(files)
}

// archive leaves times and owners at zero, so that the bytes depend on nothing but names and contents.
func archive(files []file) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.content)), Mode: f.mode}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
