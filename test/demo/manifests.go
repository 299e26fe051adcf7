package main

import (
	"bytes"
	"context"
	"embed"
	"errors"

	"github.com/sluice-delivery/sluice/test/stage"
)

// manifests are all that a user of Sluice would write for this app.
//
//go:embed manifests
var manifests embed.FS

// firstImage is the image that rollout.yaml names.
const firstImage = imageName + "v1"

const imageName = "sluice.example/shop:"

// prepare brings in what stays the same from release to release.
func prepare(ctx context.Context, s *stage.Stage) error {
	for _, name := range []string{"gateway", "services", "analysis"} {
		manifest, err := manifests.ReadFile("manifests/" + name + ".yaml")
		if err != nil {
			return err
		}
		if err := s.Apply(ctx, manifest); err != nil {
			return err
		}
	}
	return nil
}

// deliverer brings an image to the cluster; the play does not know how.
type deliverer func(ctx context.Context, image string) error

// byApply delivers by applying rollout.yaml with the image.
func byApply(s *stage.Stage) deliverer {
	return func(ctx context.Context, image string) error {
		manifest, err := manifests.ReadFile("manifests/rollout.yaml")
		if err != nil {
			return err
		}
		if !bytes.Contains(manifest, []byte(firstImage)) {
			return errors.New("rollout.yaml does not name " + firstImage)
		}
		return s.Apply(ctx, bytes.Replace(manifest, []byte(firstImage), []byte(image), 1))
	}
}
