package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/console/verb"
)

func newAppCreate(s *session) *cobra.Command {
	flags := &specFlags{}
	var files, labels, annotations []string
	var upsert, cascade bool
	cmd := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Create an Application, from flags or a manifest",
		Long: `Create an Application, from flags or from the manifests of -f, which flags then change.

With --upsert one that exists is changed to what is given.`,
		Example: `  kubectl sluice app create shop --repo https://git.example.com/org/repo.git --path shop \
    --dest-name in-cluster --dest-namespace shop --sync-policy automated --self-heal
  kubectl sluice app create -f shop.yaml --upsert`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			apps, err := s.readApps(files, args)
			if err != nil {
				return err
			}
			c, err := s.connect()
			if err != nil {
				return err
			}
			for _, app := range apps {
				if err := flags.change(cmd, app); err != nil {
					return err
				}
				if err := s.create(cmd.Context(), c, app, labels, annotations, cascade, upsert); err != nil {
					return err
				}
			}
			return nil
		},
	}
	flags.bind(cmd)
	f := cmd.Flags()
	f.StringArrayVarP(&files, "file", "f", nil, "Files with Applications; - is the standard input")
	f.StringArrayVarP(&labels, "label", "l", nil, "Label of the Application, as KEY=VALUE; may be repeated")
	f.StringArrayVar(&annotations, "annotations", nil, "Annotation of the Application, as KEY=VALUE; may be repeated")
	f.BoolVar(&upsert, "upsert", false, "Change the Application if it exists")
	f.BoolVar(&cascade, "set-finalizer", false, "Delete the resources when the Application is deleted")
	return cmd
}

func (s *session) create(ctx context.Context, c client.Client, app *gitopsv1.Application, labels, annotations []string, cascade, upsert bool) error {
	var err error
	if app.Labels, err = withPairs(app.Labels, labels, "--label"); err != nil {
		return err
	}
	if app.Annotations, err = withPairs(app.Annotations, annotations, "--annotations"); err != nil {
		return err
	}
	if cascade {
		app.Finalizers = append(app.Finalizers, gitopsv1.FinalizerResources)
	}
	if app.Spec.Project == "" {
		app.Spec.Project = gitopsv1.DefaultProject
	}
	switch d := app.Spec.Destination; {
	case len(gitopsv1.SourcesOf(app.Spec)) == 0 || gitopsv1.SourcesOf(app.Spec)[0].RepoURL == "":
		return fmt.Errorf("application %s has no repository: give --repo, and --path or --helm-chart", app.Name)
	case d.Server == "" && d.Name == "":
		return fmt.Errorf("application %s has no destination: give --dest-name or --dest-server", app.Name)
	}
	return s.tell(verb.CreateApplication(ctx, c, app, upsert))
}

// readApps reads the Applications of files, or begins one of the name that is given.
func (s *session) readApps(files, names []string) ([]*gitopsv1.Application, error) {
	if len(files) == 0 {
		if len(names) == 0 {
			return nil, errors.New("give a NAME, or a manifest with -f")
		}
		key, err := s.appKey(names[0])
		if err != nil {
			return nil, err
		}
		return []*gitopsv1.Application{{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}}, nil
	}
	apps, err := s.applicationsIn(files)
	switch {
	case err != nil:
		return nil, err
	case len(apps) == 0:
		return nil, errors.New("there is no Application in the files")
	case len(names) == 1 && len(apps) > 1:
		return nil, errors.New("a name goes with a single Application")
	case len(names) == 1:
		apps[0].Name = names[0]
	}
	return apps, nil
}

// applicationsIn reads the Applications of files, and refuses other kinds.
func (s *session) applicationsIn(files []string) ([]*gitopsv1.Application, error) {
	documents, err := readManifests(files, s.in)
	if err != nil {
		return nil, err
	}
	var apps []*gitopsv1.Application
	for _, d := range documents {
		if d.fault != nil {
			return nil, fmt.Errorf("%s: %w", d.at, d.fault)
		}
		if d.kind != gitopsv1.ApplicationKind.Kind {
			return nil, fmt.Errorf("%s: this is a %s, and only Applications are created here", d.at, d.kind)
		}
		app := &gitopsv1.Application{}
		if err := yaml.UnmarshalStrict(d.raw, app); err != nil {
			return nil, fmt.Errorf("%s: %w", d.at, err)
		}
		if app.Namespace == "" {
			app.Namespace = s.control()
		}
		apps = append(apps, app)
	}
	return apps, nil
}

func newAppSet(s *session) *cobra.Command {
	flags := &specFlags{}
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Change the spec of an Application",
		Example: `  kubectl sluice app set shop --revision v2 --sync-policy none
  kubectl sluice app set shop --kustomize-image app=registry.example/app:v2`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: s.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, key, err := s.openApp(args[0])
			if err != nil {
				return err
			}
			return s.tell(verb.ChangeApplication(cmd.Context(), c, key, func(app *gitopsv1.Application) error { return flags.change(cmd, app) }))
		},
	}
	flags.bind(cmd)
	return cmd
}
