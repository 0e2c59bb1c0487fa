package health

import (
	"context"
	"os"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/engine"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// fluxChecks reads the healthCheckExprs of a file of deploy/flux.
func fluxChecks(t *testing.T, file string) []kustomize.CustomHealthCheck {
	t.Helper()
	text, err := os.ReadFile(repository(file))
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct {
		Spec map[string]any `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &kustomization); err != nil {
		t.Fatal(err)
	}
	text, err = yaml.Marshal(kustomization.Spec["healthCheckExprs"])
	if err != nil {
		t.Fatal(err)
	}
	var checks []kustomize.CustomHealthCheck
	if err := yaml.UnmarshalStrict(text, &checks); err != nil {
		t.Fatal(err)
	}
	for _, check := range checks {
		if check.Kind == "" {
			t.Errorf("%s: a check without a kind would hold for the whole group", file)
		}
	}
	return checks
}

// fluxReader is the status reader of kustomize-controller, with these checks.
func fluxReader(t *testing.T, file string) engine.StatusReader {
	t.Helper()
	reader, err := cel.NewStatusReader(fluxChecks(t, file))
	if err != nil {
		t.Fatal(err)
	}
	return reader(nil)
}

func flux(reader engine.StatusReader, object *unstructured.Unstructured) (string, error) {
	status, err := reader.ReadStatusForObject(context.Background(), nil, object)
	if err != nil {
		return "", err
	}
	return status.Status.String(), nil
}
