package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// InstallCRDs creates or updates the custom resource definitions in the YAML files of the given folders, and returns
// once the API server serves them.
func (c *Cluster) InstallCRDs(folders ...string) error {
	_, err := envtest.InstallCRDs(c.Config(), envtest.CRDInstallOptions{
		Paths: folders, ErrorIfPathMissing: true, MaxTime: 30 * time.Second,
	})
	if err != nil {
		return fmt.Errorf("installing the definitions of %v: %w", folders, err)
	}
	return nil
}

// GatewayCRDs returns the folder of the Gateway API's definitions, of exactly the version that the routers are
// compiled against: the go command finds it, and fetches it on a machine that has only ever seen part of the module.
func GatewayCRDs(ctx context.Context) (string, error) {
	const module = "sigs.k8s.io/gateway-api"
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	command.Dir = filepath.Join(Repository(), "test")
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("finding the definitions of %s: %w", module, describe(err))
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(output, &found); err != nil {
		return "", fmt.Errorf("finding the definitions of %s: %w", module, err)
	}
	return filepath.Join(found.Dir, "config", "crd", "standard"), nil
}
