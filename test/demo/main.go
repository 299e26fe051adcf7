package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-delivery/sluice/test/stage"
	"github.com/sluice-delivery/sluice/test/world"
	"github.com/sluice-delivery/sluice/test/world/gateway"
)

// scrape is how often Prometheus looks at each pod.
const scrape = 250 * time.Millisecond

func main() {
	flags := flag.NewFlagSet("demo", flag.ExitOnError) // libraries add flags of theirs to the common set
	unattended := flags.Bool("unattended", false, "check the three releases, print a summary and end")
	_ = flags.Parse(os.Args[1:]) // it exits where there is something wrong
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)                               // a second Ctrl-C ends the program at once, and the kernel ends its children
	ctx, restore := signal.NotifyContext(ctx, syscall.SIGPIPE) // what is printed goes nowhere any more, and clearing up must not die of that
	defer restore()
	err := run(ctx, *unattended, os.Stdout)
	if ctx.Err() != nil && !*unattended {
		return // it was meant to end
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

// run plays the demo and leaves nothing behind. The error of an unattended run may be that what is claimed is not so.
func run(ctx context.Context, unattended bool, out *os.File) (err error) {
	fmt.Fprintln(out, "Putting up a cluster on this machine:")
	s, err := stage.Up(ctx, stage.Options{
		Namespace: namespace, Scrape: scrape, Progress: out,
		World: world.Options{Gateway: gateway.Options{Name: types.NamespacedName{Namespace: namespace, Name: "public"}}},
	})
	if err != nil {
		return err
	}
	defer func() {
		fmt.Fprintln(out, "\nStopping everything.")
		err = errors.Join(err, s.Down())
	}()
	repository, err := prepare(ctx, s)
	if err != nil {
		return err
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	h, err := watch(watching, s)
	if err != nil {
		return err
	}
	return newPlay(s, h, repository).perform(ctx, unattended, out)
}

// perform plays and shows it, and stays up until ctx ends unless nobody attends.
func (p *play) perform(ctx context.Context, unattended bool, out *os.File) error {
	showing, hide := context.WithCancel(ctx)
	hidden := make(chan struct{})
	fmt.Fprintln(out)
	go func() {
		defer close(hidden)
		p.draw(showing, out, unattended)
	}()
	err := p.run(ctx)
	if err == nil && !unattended {
		<-ctx.Done()
	}
	hide()
	<-hidden
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.stage.Story())
	}
	if unattended && !p.summary(out) {
		return errors.New("not everything that is claimed was observed")
	}
	return nil
}

// tryOut is what people can do when the play is over.
func (p *play) tryOut() []string {
	bin := filepath.Join(p.stage.Dir, "bin")
	command := func(text, about string) string {
		return fmt.Sprintf("   %s%-59s%s %s%s", cyan, text, plain, dim, about)
	}
	return []string{
		"", bold + " Try it in another terminal" + plain,
		command("export KUBECONFIG="+p.stage.Kubeconfig, ""),
		command("export PATH="+bin+":$PATH", ""),
		command("kubectl-sluice get rollout shop -w", "the same as kubectl sluice get …"),
		command("cd "+p.repository.Dir, "the repository; shop/rollout.yaml names the image"),
		command("sed -i s/:v4/:v5/ shop/rollout.yaml", "a good release; v5-bad is a bad one"),
		command("git commit -am v5 && git push origin main", "its webhook tells the controller"),
		command("kubectl -n argocd get applications -w", ""),
		command("kubectl get rollouts,analysisruns,httproutes,pods", "kubectl is not part of the demo"),
		command("curl -H 'Host: "+hostname+"' "+p.stage.World.Gateway.URL, "one request"),
		command(p.stage.Prometheus.URL, "Prometheus"),
		bold + " Ctrl-C" + plain + " ends all of it and leaves nothing behind.",
	}
}
