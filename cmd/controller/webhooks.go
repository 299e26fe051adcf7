package main

import (
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-delivery/sluice/controllers/push"
)

// noAddress is what users write for nothing to be served.
const noAddress = "0"

// addWebhooks serves webhooks from each replica, whether it leads or not. What they lead to is no more than a request for a look, so it needs no lease.
func (g *gitops) addWebhooks(mgr ctrl.Manager) error {
	if g.webhookAddress == "" || g.webhookAddress == noAddress {
		return nil
	}
	cfg, err := restConfig(g.options)
	if err != nil {
		return err
	}
	c, err := client.New(cfg, client.Options{Scheme: g.scheme, Mapper: g.mapper})
	if err != nil {
		return fmt.Errorf("making the client of webhooks: %w", err)
	}
	return mgr.Add(&push.Server{Address: g.webhookAddress, Reader: c, Writer: c, Secrets: c, Namespace: g.gitopsNamespace})
}
