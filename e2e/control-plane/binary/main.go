// Command hyper is etcd, kube-apiserver, kube-controller-manager and kubectl in one binary: hyper NAME [flags].
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	if base := filepath.Base(os.Args[0]); base == "kubectl" {
		os.Args = append([]string{"hyper", base}, os.Args[1:]...)
	}
	if len(os.Args) < 2 {
		usage("no component named")
	}
	if os.Getenv("HYPER_LIFELINE") != "" {
		go endWithParent()
	}
	name := os.Args[1]
	os.Args = os.Args[1:]
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(kcm.NewControllerManagerCommand()))
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		usage("unknown component " + name)
	}
}

// The parent holds the other end of standard input and never writes to it: the kernel closes it with the parent, however
// that ended.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

func usage(problem string) {
	fmt.Fprintf(os.Stderr, "%s\nusage: hyper etcd|kube-apiserver|kube-controller-manager|kubectl [flags]\n", problem)
	os.Exit(2)
}
