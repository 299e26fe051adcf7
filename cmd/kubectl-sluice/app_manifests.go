package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func newAppManifests(s *session) *cobra.Command {
	o := &diffing{}
	from := "git"
	cmd := &cobra.Command{
		Use:   "manifests NAME",
		Short: "Print the manifests of an Application, from Git, a folder or the cluster",
		Long: `Print the manifests of an Application as they would be applied, or with --source live as they are in the cluster.

Values of Secrets are masked, so what is printed is to be read and not to be applied. The rights that it takes are those of app diff.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: s.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error { return s.appManifests(cmd.Context(), args[0], from, o) },
	}
	o.local.bind(cmd)
	cmd.Flags().StringVar(&o.revision, "revision", "", "Commit, branch or tag to render instead of what the spec asks for")
	cmd.Flags().StringVar(&from, "source", "git", "git or live")
	return cmd
}

func (s *session) appManifests(ctx context.Context, name, from string, o *diffing) error {
	if from != "git" && from != "live" {
		return fmt.Errorf("--source %q: choose git or live", from)
	}
	key, err := s.appKey(name)
	if err != nil {
		return err
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	found, err := s.compared(ctx, c, key, o)
	if err != nil {
		return err
	}
	texts := found.Wanted
	if from == "live" {
		texts = found.Living
	}
	for _, manifest := range texts {
		lines := []line{{{"---", plain}}}
		for l := range strings.Lines(manifest) {
			lines = append(lines, line{{clean(strings.TrimSuffix(l, "\n")), plain}})
		}
		if err := s.print(lines); err != nil {
			return err
		}
	}
	return nil
}

// rendered gives the manifests of an Application as it was asked for.
func (s *session) rendered(ctx context.Context, c client.WithWatch, key client.ObjectKey, o *diffing) ([]*unstructured.Unstructured, error) {
	app, look, end, err := s.lookAt(ctx, c, key, o)
	if err != nil {
		return nil, err
	}
	defer end()
	defer s.patience("rendering application " + key.String())()
	return look.Render(ctx, app)
}

// localManifests renders a folder for a sync that is to use it.
func (s *session) localManifests(ctx context.Context, c client.WithWatch, key client.ObjectKey, l localFlags) ([]string, error) {
	objects, err := s.rendered(ctx, c, key, &diffing{local: l})
	if err != nil {
		return nil, err
	}
	var manifests []string
	for _, o := range objects {
		if o.GetKind() == "Secret" && o.GroupVersionKind().Group == "" {
			return nil, fmt.Errorf("the folder holds Secret %s, which would be readable in the Application: apply it by itself", o.GetName())
		}
		text, err := o.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("writing %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		manifests = append(manifests, strings.TrimSpace(string(text)))
	}
	if len(manifests) == 0 {
		return nil, errors.New("the folder gives no manifests")
	}
	return manifests, nil
}
