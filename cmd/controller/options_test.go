package main

import (
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// defaults are the options of a command line without arguments.
func defaults() options {
	return options{
		leaderElect: true, metricsAddress: ":8090", healthAddress: ":8080", pprofAddress: "0", qps: -1, burst: -1, concurrency: 20,
		gitopsNamespace: "argocd", gitopsPoll: 2 * time.Minute, webhookAddress: "0", logLevel: slog.LevelInfo, logFormat: "json",
	}
}

func TestEveryOptionIsRead(t *testing.T) {
	for name, test := range map[string]struct {
		args   []string
		change func(*options)
	}{
		"none":                 {change: func(*options) {}},
		"kubeconfig":           {args: []string{"--kubeconfig=a/b"}, change: func(o *options) { o.kubeconfig = "a/b" }},
		"one dash":             {args: []string{"-kubeconfig", "a/b"}, change: func(o *options) { o.kubeconfig = "a/b" }},
		"no leader election":   {args: []string{"--leader-elect=false"}, change: func(o *options) { o.leaderElect = false }},
		"namespace of lease":   {args: []string{"--leader-election-namespace=home"}, change: func(o *options) { o.leaderElectionNamespace = "home" }},
		"metrics":              {args: []string{"--metrics-bind-address=0"}, change: func(o *options) { o.metricsAddress = "0" }},
		"health":               {args: []string{"--health-probe-bind-address=:1"}, change: func(o *options) { o.healthAddress = ":1" }},
		"pprof":                {args: []string{"--pprof-bind-address=127.0.0.1:6060"}, change: func(o *options) { o.pprofAddress = "127.0.0.1:6060" }},
		"instance":             {args: []string{"--instance-id=blue"}, change: func(o *options) { o.instanceID, o.gitopsNamespace = "blue", "" }},
		"instance with Git":    {args: []string{"--instance-id=blue", "--gitops-namespace=git"}, change: func(o *options) { o.instanceID, o.gitopsNamespace = "blue", "git" }},
		"namespaces in a list": {args: []string{"--namespace=a,b"}, change: func(o *options) { o.namespaces = []string{"a", "b"} }},
		"namespaces repeated":  {args: []string{"--namespace=a", "--namespace=b,a"}, change: func(o *options) { o.namespaces = []string{"a", "b"} }},
		"limits":               {args: []string{"--qps=2.5", "--burst=7"}, change: func(o *options) { o.qps, o.burst = 2.5, 7 }},
		"concurrency":          {args: []string{"--concurrency=3"}, change: func(o *options) { o.concurrency = 3 }},
		"no Git-sync":          {args: []string{"--gitops-namespace="}, change: func(o *options) { o.gitopsNamespace = "" }},
		"Git-sync":             {args: []string{"--gitops-namespace=git", "--gitops-poll=10s"}, change: func(o *options) { o.gitopsNamespace, o.gitopsPoll = "git", 10*time.Second }},
		"webhooks":             {args: []string{"--webhook-bind-address=:8070"}, change: func(o *options) { o.webhookAddress = ":8070" }},
		"policy of sets": {args: []string{"--applicationset-policy=create-only", "--applicationset-policy-override"}, change: func(o *options) {
			o.setPolicy, o.setPolicyOverride = "create-only", true
		}},
		"labels of sets":    {args: []string{"--metrics-applicationset-labels=team"}, change: func(o *options) { o.setMetricLabels = []string{"team"} }},
		"labels in metrics": {args: []string{"--metrics-application-labels=team,a.b/c", "--metrics-application-labels=team"}, change: func(o *options) { o.metricLabels = []string{"team", "a.b/c"} }},
		"schemes":           {args: []string{"--git-scheme=http", "--git-scheme=git"}, change: func(o *options) { o.gitSchemes = []string{"http", "git"} }},
		"providers": {args: []string{"--allowed-scm-providers=https://Git.example.com/,http://tea:3000", "--allowed-scm-providers=https://lab"}, change: func(o *options) {
			o.scmProviders = []*url.URL{{Scheme: "https", Host: "git.example.com"}, {Scheme: "http", Host: "tea:3000"}, {Scheme: "https", Host: "lab"}}
		}},
		"log":     {args: []string{"--log-level=debug", "--log-format=text"}, change: func(o *options) { o.logLevel, o.logFormat = slog.LevelDebug, "text" }},
		"version": {args: []string{"--version"}, change: func(o *options) { o.version = true }},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parse(test.args, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			test.change(&want)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(options{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnOptionThatCannotWorkIsRefusedByName(t *testing.T) {
	for arg, word := range map[string]string{
		"--concurrency=0":                  "--concurrency 0",
		"--concurrency=many":               "concurrency",
		"--qps=0":                          "--qps 0",
		"--qps=-2":                         "--qps -2",
		"--qps=NaN":                        "--qps NaN",
		"--burst=0":                        "--burst 0",
		"--gitops-namespace=A_b":           "--gitops-namespace",
		"--gitops-poll=1ms":                "--gitops-poll",
		"--metrics-application-labels=a b": "is no label",
		"--applicationset-policy=none":     "choose sync, create-only, create-update, create-delete",
		"--git-scheme=file":                "--git-scheme",
		"--allowed-scm-providers=,":        "allowed-scm-providers",
		"--allowed-scm-providers=h":        "must be a URL",
		"--log-format=xml":                 "--log-format",
		"--log-level=loud":                 "log-level",
		"--namespace=A_b":                  "A_b",
		"--namespace=a,,b":                 "namespace",
		"--instance-id=not a label!":       "--instance-id",
		"--leader-elect=perhaps":           "leader-elect",
		"--no-such-option":                 "no-such-option",
		"stray":                            "stray",
	} {
		t.Run(arg, func(t *testing.T) {
			_, err := parse([]string{arg}, io.Discard)
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("error %v does not speak of %s", err, word)
			}
		})
	}
}

func TestHelpNamesEveryOption(t *testing.T) {
	var text strings.Builder
	_, err := parse([]string{"--help"}, &text)
	if !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	for _, name := range []string{"kubeconfig", "leader-elect", "leader-election-namespace", "metrics-bind-address", "health-probe-bind-address",
		"pprof-bind-address", "instance-id", "namespace", "qps", "burst", "concurrency", "gitops-namespace", "gitops-poll", "git-scheme", "allowed-scm-providers", "metrics-application-labels", "metrics-applicationset-labels", "applicationset-policy", "applicationset-policy-override", "webhook-bind-address", "log-level", "log-format", "version"} {
		if !strings.Contains(text.String(), "-"+name+" ") && !strings.Contains(text.String(), "-"+name+"\n") {
			t.Errorf("help says nothing of %s", name)
		}
	}
}

func TestTheLimitOfRequests(t *testing.T) {
	for name, test := range map[string]struct {
		qps   float64
		burst int
		wantQ float32
		wantB int
	}{
		"none":           {-1, -1, -1, 0},
		"twice the rate": {10, -1, 10, 20},
		"a slow rate":    {0.2, -1, 0.2, 1},
		"both":           {10, 3, 10, 3},
	} {
		t.Run(name, func(t *testing.T) {
			o := options{qps: test.qps, burst: test.burst}
			if q, b := o.limit(); q != test.wantQ || b != test.wantB {
				t.Errorf("got %v, %d", q, b)
			}
		})
	}
}
