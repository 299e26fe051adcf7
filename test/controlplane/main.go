package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	if len(os.Args) < 2 {
		fail("which server?")
	}
	// Each server parses os.Args itself and prints its name from os.Args[0].
	name := os.Args[1]
	os.Args = os.Args[1:]
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		run(apiserver.NewAPIServerCommand())
	case "kube-controller-manager":
		run(controllermanager.NewControllerManagerCommand())
	case "kube-scheduler":
		run(scheduler.NewSchedulerCommand())
	default:
		fail(fmt.Sprintf("%q is no server that this binary holds", name))
	}
}

func run(command *cobra.Command) {
	os.Exit(cli.Run(command))
}

func fail(problem string) {
	fmt.Fprintf(os.Stderr, "controlplane: %s; the first argument must be etcd, kube-apiserver, "+
		"kube-controller-manager or kube-scheduler\n", problem)
	os.Exit(2)
}
