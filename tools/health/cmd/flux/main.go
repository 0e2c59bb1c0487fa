// Command flux applies manifests as kustomize-controller does, with its libraries and its options: it takes over the fields of
// kubectl, applies on the server, and waits for health when asked to. One run is one reconciliation.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/engine"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	"github.com/fluxcd/pkg/ssa/utils"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"
)

const controller = "kustomize-controller"

func main() {
	kubeconfig := flag.String("kubeconfig", "", "whose credentials")
	file := flag.String("file", "", "the manifests")
	wait := flag.Duration("wait", 0, "how long to wait for health; 0: not at all")
	checks := flag.String("checks", "", "a Kustomization with healthCheckExprs")
	flag.Parse()
	if err := reconcile(*kubeconfig, *file, *wait, *checks); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func reconcile(kubeconfig, file string, wait time.Duration, checks string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1 // as Flux does where the API server has priority and fairness
	manager, err := managerFor(config, checks)
	if err != nil {
		return err
	}
	manifests, err := os.Open(file)
	if err != nil {
		return err
	}
	objects, err := utils.ReadObjects(manifests)
	if err != nil {
		return err
	}
	manager.SetOwnerLabels(objects, "shop", "flux-system")
	if err := normalize.UnstructuredList(objects); err != nil {
		return err
	}
	changes, err := manager.ApplyAllStaged(context.Background(), objects, options())
	if err != nil {
		return err
	}
	for _, change := range changes.Entries {
		fmt.Println(change.Subject, change.Action)
	}
	if wait == 0 {
		return nil
	}
	return manager.WaitForSet(changes.ToObjMetadataSet(), ssa.WaitOptions{Interval: time.Second, Timeout: wait})
}

// options are those of kustomize-controller for a Kustomization that asks for nothing special.
func options() ssa.ApplyOptions {
	options := ssa.DefaultApplyOptions()
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{corev1.LastAppliedConfigAnnotation},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: controller, OperationType: metav1.ManagedFieldsOperationUpdate},
		},
		Exclusions: map[string]string{"kustomize.toolkit.fluxcd.io/ssa": "Merge"},
	}
	return options
}

func managerFor(config *rest.Config, file string) (*ssa.ResourceManager, error) {
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, http)
	if err != nil {
		return nil, err
	}
	cluster, err := client.New(config, client.Options{HTTPClient: http, Mapper: mapper})
	if err != nil {
		return nil, err
	}
	var readers []engine.StatusReader
	if file != "" {
		checks, err := checksOf(file)
		if err != nil {
			return nil, err
		}
		reader, err := cel.NewStatusReader(checks)
		if err != nil {
			return nil, err
		}
		readers = append(readers, reader(mapper))
	}
	poller := polling.NewStatusPoller(cluster, mapper, polling.Options{CustomStatusReaders: readers})
	owner := ssa.Owner{Field: controller, Group: "kustomize.toolkit.fluxcd.io"}
	return ssa.NewResourceManager(cluster, poller, owner), nil
}

func checksOf(file string) ([]kustomize.CustomHealthCheck, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var kustomization struct {
		Spec struct {
			HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
		} `json:"spec"`
	}
	err = yaml.Unmarshal(text, &kustomization)
	return kustomization.Spec.HealthCheckExprs, err
}
