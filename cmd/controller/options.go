package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync/scm"
)

// mostRequests is a rate that no API server answers.
const mostRequests = 1_000_000

// options are what the user of the command may choose.
type options struct {
	kubeconfig              string
	leaderElect             bool
	leaderElectionNamespace string
	metricsAddress          string
	healthAddress           string
	pprofAddress            string
	instanceID              string
	namespaces              []string
	qps                     float64
	burst                   int
	concurrency             int
	gitopsNamespace         string
	gitopsPoll              time.Duration
	gitSchemes              []string
	scmProviders            []*url.URL
	metricLabels            []string
	setMetricLabels         []string
	setPolicy               string
	setPolicyOverride       bool
	webhookAddress          string
	logLevel                slog.Level
	logFormat               string
	version                 bool
}

// parse reads the command line; help and complaints go to out.
func parse(args []string, out io.Writer) (options, error) {
	o := options{logLevel: slog.LevelInfo}
	f := flag.NewFlagSet("sluice-controller", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig `file`; without it $KUBECONFIG, then the service account of the pod")
	f.BoolVar(&o.leaderElect, "leader-elect", true, "work only while holding a lease, so that several replicas may run")
	f.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "", "`namespace` of the lease; without it the one of the pod")
	f.StringVar(&o.metricsAddress, "metrics-bind-address", ":8090", "`address` of /metrics; 0 for none")
	f.StringVar(&o.healthAddress, "health-probe-bind-address", ":8080", "`address` of /healthz and /readyz; 0 for none")
	f.StringVar(&o.pprofAddress, "pprof-bind-address", "0", "`address` of /debug/pprof; 0 for none")
	f.StringVar(&o.instanceID, "instance-id", "", "serve only objects whose controller-instance-id label has this `value`; without it only objects without the label")
	f.Func("namespace", "serve only this `namespace`; may be repeated or hold a comma-separated list", adding(&o.namespaces, "namespace", validation.IsDNS1123Label))
	f.Float64Var(&o.qps, "qps", -1, "`requests` per second to the API server; -1 for no limit")
	f.IntVar(&o.burst, "burst", -1, "`requests` above --qps for a moment; -1 for twice --qps")
	f.IntVar(&o.concurrency, "concurrency", 20, "`number` of objects of one kind that are worked on at the same time")
	f.StringVar(&o.gitopsNamespace, "gitops-namespace", gitopsv1.DefaultControlNamespace, "`namespace` of Applications, projects and their Secrets; empty for no Git-sync, as it is with --instance-id unless it is named")
	f.DurationVar(&o.gitopsPoll, "gitops-poll", 2*time.Minute, "`time` between two questions to a Git repository, which is asked up to half as much later")
	f.StringVar(&o.webhookAddress, "webhook-bind-address", noAddress, "`address` of /api/webhook, to which Git hosts tell of pushes; 0 for none")
	f.Func("git-scheme", "`scheme` of repository URLs that is allowed besides https and ssh, such as http; may be repeated", func(s string) error {
		o.gitSchemes = append(o.gitSchemes, s)
		return nil
	})
	f.Func("allowed-scm-providers", "`addresses` of servers that generators of ApplicationSets may ask besides api.github.com and gitlab.com, as a comma-separated list; may be repeated; without it ApplicationSets of the control namespace may name any", o.addSCMProviders)
	f.Func("metrics-application-labels", "`labels` of Applications that the metric argocd_app_labels shows, as a comma-separated list; may be repeated; without it there is no such metric", adding(&o.metricLabels, "label", validation.IsQualifiedName))
	f.Func("metrics-applicationset-labels", "the same for `labels` of ApplicationSets and the metric argocd_appset_labels", adding(&o.setMetricLabels, "label", validation.IsQualifiedName))
	f.StringVar(&o.setPolicy, "applicationset-policy", "", "`policy` of all ApplicationSets for their Applications: sync, create-only, create-update or create-delete; without it each says so itself")
	f.BoolVar(&o.setPolicyOverride, "applicationset-policy-override", false, "let an ApplicationSet that names a policy itself keep to that")
	f.Func("log-level", "least `level` that is logged: debug, info, warn or error (default info)", func(s string) error {
		return o.logLevel.UnmarshalText([]byte(s))
	})
	f.StringVar(&o.logFormat, "log-format", "json", "`format` of the log: json or text")
	f.BoolVar(&o.version, "version", false, "print the version and exit")
	if err := f.Parse(args); err != nil {
		return options{}, err
	}
	if f.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q: every option begins with --", f.Arg(0))
	}
	named := false
	f.Visit(func(given *flag.Flag) { named = named || given.Name == "gitops-namespace" })
	if o.instanceID != "" && !named {
		o.gitopsNamespace = "" // Applications have no label of an instance, and two controllers must not serve the same ones
	}
	return o, o.check()
}

// adding is a flag that may be repeated and holds a comma-separated list of what has no problems.
func adding(to *[]string, what string, problemsOf func(string) []string) func(string) error {
	return func(list string) error {
		for value := range strings.SplitSeq(list, ",") {
			if problems := problemsOf(value); len(problems) > 0 {
				return fmt.Errorf("%q is no %s: %s", value, what, problems[0])
			}
			if !slices.Contains(*to, value) {
				*to = append(*to, value)
			}
		}
		return nil
	}
}

func (o *options) addSCMProviders(list string) error {
	for text := range strings.SplitSeq(list, ",") {
		at, err := scm.Address(text)
		if err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
		o.scmProviders = append(o.scmProviders, at)
	}
	return nil
}

var setPolicies = []string{string(gitopsv1.ApplicationsSyncAll), string(gitopsv1.ApplicationsSyncCreateOnly), string(gitopsv1.ApplicationsSyncCreateUpdate), string(gitopsv1.ApplicationsSyncCreateDelete)}

func (o *options) check() error {
	var problems []error
	if o.logFormat != "json" && o.logFormat != "text" {
		problems = append(problems, fmt.Errorf("--log-format %q: choose json or text", o.logFormat))
	}
	if o.setPolicy != "" && !slices.Contains(setPolicies, o.setPolicy) {
		problems = append(problems, fmt.Errorf("--applicationset-policy %q: choose %s", o.setPolicy, strings.Join(setPolicies, ", ")))
	}
	if o.concurrency < 1 {
		problems = append(problems, fmt.Errorf("--concurrency %d: must be at least 1", o.concurrency))
	}
	if !(o.qps > 0 && o.qps <= mostRequests) && o.qps != -1 {
		problems = append(problems, fmt.Errorf("--qps %v: must be greater than 0 and at most %d, or -1 for no limit", o.qps, mostRequests))
	}
	if o.burst < 1 && o.burst != -1 {
		problems = append(problems, fmt.Errorf("--burst %d: must be at least 1, or -1 for twice --qps", o.burst))
	}
	if found := validation.IsValidLabelValue(o.instanceID); len(found) > 0 {
		problems = append(problems, fmt.Errorf("--instance-id %q: %s", o.instanceID, found[0]))
	}
	return errors.Join(append(problems, o.checkGitops()...)...)
}

func (o *options) checkGitops() (problems []error) {
	if found := validation.IsDNS1123Label(o.gitopsNamespace); o.gitopsNamespace != "" && len(found) > 0 {
		problems = append(problems, fmt.Errorf("--gitops-namespace %q: %s", o.gitopsNamespace, found[0]))
	}
	if o.gitopsPoll < time.Second {
		problems = append(problems, fmt.Errorf("--gitops-poll %s: must be at least 1s", o.gitopsPoll))
	}
	for _, scheme := range o.gitSchemes {
		if scheme != "http" && scheme != "git" {
			problems = append(problems, fmt.Errorf("--git-scheme %q: choose http or git", scheme))
		}
	}
	return problems
}

// limit is the client's own limit of requests; a negative rate switches it off.
func (o *options) limit() (qps float32, burst int) {
	if o.qps < 0 {
		return -1, 0
	}
	if o.burst < 0 {
		return float32(o.qps), max(1, int(2*o.qps))
	}
	return float32(o.qps), o.burst
}
