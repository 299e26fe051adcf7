package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", "", "`folder` with the files of the image")
	out := flag.String("out", "", "`file` of the archive")
	name := flag.String("name", "sluice-controller:dev", "`name` of the image")
	certificates := flag.String("certificates", "/etc/ssl/certs/ca-certificates.crt", "`file` with the certificate authorities to trust")
	architecture := flag.String("arch", "amd64", "`architecture` of the programs, as Go calls it")
	flag.Parse()
	if err := run(*root, *out, *name, *certificates, *architecture); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
	fmt.Printf("%s holds %s; load it with docker load, podman load, ctr images import or kind load image-archive\n", *out, *name)
}

// run puts the certificates into the folder, because metrics are asked for over HTTPS, and the programs that Git-sync starts, and packs it.
func run(root, out, name, certificates, architecture string) error {
	trusted, err := os.ReadFile(certificates)
	if err != nil {
		return fmt.Errorf("reading the certificate authorities (install ca-certificates, or name a file with -certificates): %w", err)
	}
	place := filepath.Join(root, "etc", "ssl", "certs", "ca-certificates.crt")
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return fmt.Errorf("adding the certificate authorities: %w", err)
	}
	if err := os.WriteFile(place, trusted, 0o644); err != nil {
		return fmt.Errorf("adding the certificate authorities: %w", err)
	}
	if err := addPrograms(root, architecture); err != nil {
		return fmt.Errorf("adding programs: %w", err)
	}
	archive, err := pack(os.DirFS(root), name, architecture)
	if err != nil {
		return fmt.Errorf("packing %s: %w", root, err)
	}
	if err := os.WriteFile(out, archive, 0o644); err != nil {
		return fmt.Errorf("writing the archive: %w", err)
	}
	return nil
}
