package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/console/verb"
)

func newSet(s *session) *cobra.Command {
	cmd := &cobra.Command{Use: "set", Short: "Change a Rollout"}
	cmd.AddCommand(&cobra.Command{
		Use:   "image [rollout] NAME CONTAINER=IMAGE...",
		Short: "Give containers new images; * stands for every container",
		Example: `  kubectl sluice set image web app=registry.example/web:v2
  kubectl sluice set image web '*=registry.example/web:v2'`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: s.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			names, pairs := args, []string(nil)
			for i, a := range args {
				if strings.Contains(a, "=") {
					names, pairs = args[:i], args[i:]
					break
				}
			}
			images, err := parseImages(pairs)
			if err != nil {
				return err
			}
			_, name, err := parseTarget(names, "rollout")
			if err != nil {
				return err
			}
			return s.act(cmd.Context(), name, func(ctx context.Context, c client.WithWatch, key client.ObjectKey) (string, error) {
				return verb.SetImage(ctx, c, key, images)
			})
		},
	})
	return cmd
}

func parseImages(pairs []string) (map[string]string, error) {
	images := map[string]string{}
	for _, p := range pairs {
		container, image, ok := strings.Cut(p, "=")
		if !ok || container == "" || image == "" {
			return nil, fmt.Errorf("%q is not CONTAINER=IMAGE", p)
		}
		images[container] = image
	}
	if len(images) == 0 {
		return nil, errors.New("no image is given: add CONTAINER=IMAGE")
	}
	return images, nil
}
