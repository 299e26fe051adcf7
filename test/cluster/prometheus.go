package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-delivery/sluice/test/process"
)

// PrometheusOptions are the choices of a caller of StartPrometheus.
type PrometheusOptions struct {
	// TargetsURL answers with what to scrape, in the format of Prometheus' HTTP service discovery. It must answer
	// already when Prometheus starts.
	TargetsURL string
	// ScrapeInterval is the time between two scrapes of a target, and between two questions for the targets. It must
	// be at least a millisecond.
	ScrapeInterval time.Duration
	// Progress receives what a person who waits should read. Nil: standard error.
	Progress io.Writer
}

// Prometheus is a running Prometheus.
type Prometheus struct {
	// URL is where its API is, without a slash at the end.
	URL string

	dir      string
	process  *process.Process
	unfollow func() // stops the copying of the targets
}

// StartPrometheus starts a Prometheus and returns once it is ready. After an error nothing is left.
func StartPrometheus(ctx context.Context, options PrometheusOptions) (*Prometheus, error) {
	if options.Progress == nil {
		options.Progress = os.Stderr
	}
	binary, err := prometheus().Binary(ctx, options.Progress)
	if err != nil {
		return nil, err
	}
	ports, err := process.FreePorts(1)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sluice-prometheus-")
	if err != nil {
		return nil, fmt.Errorf("making the folder of Prometheus: %w", err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])
	p := &Prometheus{dir: dir, URL: "http://" + address}
	if err := p.start(ctx, binary, address, options); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return p, nil
}

func (p *Prometheus) start(ctx context.Context, binary, address string, options PrometheusOptions) error {
	targets := &follower{url: options.TargetsURL, file: filepath.Join(p.dir, targetsFile)}
	if err := targets.copy(ctx); err != nil {
		return err
	}
	configuration := filepath.Join(p.dir, "prometheus.yml")
	if err := os.WriteFile(configuration, []byte(options.configuration()), 0o600); err != nil {
		return fmt.Errorf("writing the configuration of Prometheus: %w", err)
	}
	started, err := process.Start("prometheus", p.dir, exec.Command(binary,
		"--config.file="+configuration,
		"--storage.tsdb.path=data",
		"--web.listen-address="+address,
		"--log.level=warn",
		// New pods would otherwise wait up to five seconds longer for their first scrape.
		"--scrape.discovery-reload-interval="+milliseconds(options.ScrapeInterval),
	))
	if err != nil {
		return err
	}
	if err := started.Ready(ctx, process.Answers(http.DefaultClient, p.URL+"/-/ready")); err != nil {
		return errors.Join(err, started.End())
	}
	p.process = started
	following, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var follower sync.WaitGroup
	follower.Go(func() { targets.follow(following, options.ScrapeInterval, options.Progress) })
	p.unfollow = func() {
		cancel()
		follower.Wait()
	}
	return nil
}

// targetsFile lies beside the configuration. Prometheus notices each change of it; reading it every 30 seconds, too,
// helps where the system has run out of file watches.
const targetsFile = "targets.json"

func (o PrometheusOptions) configuration() string {
	return fmt.Sprintf(`global:
  scrape_interval: %[1]s
  scrape_timeout: %[1]s
scrape_configs:
- job_name: pods
  file_sd_configs:
  - files: [%[2]s]
    refresh_interval: 30s
`, milliseconds(o.ScrapeInterval), targetsFile)
}

// milliseconds writes a duration the way that Prometheus reads it, which knows no fractions.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%dms", d.Milliseconds())
}

// Stop ends Prometheus and removes its files. It is an error if it had ended by itself before.
func (p *Prometheus) Stop() error {
	p.unfollow()
	return errors.Join(p.process.Stop(), os.RemoveAll(p.dir))
}
