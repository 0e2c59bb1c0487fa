// Package health holds what Argo CD, kstatus and Flux say of our objects against tests/health/expected.yaml, in every phase
// that crates/core records in tests/health/objects.
package health

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"
)

var kinds = []string{"AwsAccount", "Bootstrap", "ChangePlan", "CloudAssembly", "Freeze", "Stage"}

// row is one of expected.yaml.
type row struct {
	Kinds      []string `json:"kinds"`
	Phase      string   `json:"phase"`
	Objects    []string `json:"objects"`
	Kstatus    string   `json:"kstatus"`
	ArgoCD     string   `json:"argocd"`
	NeverBlock string   `json:"neverBlock"`
	Flux       string   `json:"flux"`
	UpToDate   string   `json:"upToDate"`
}

func repository(file string) string { return filepath.Join("..", "..", file) }

func rows(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile(repository("tests/health/expected.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	if err := yaml.UnmarshalStrict(text, &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func objects(t *testing.T, kind string) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(repository("tests/health/objects/" + kind + ".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var list []*unstructured.Unstructured
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := yaml.YAMLToJSON(document)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(bytes.TrimSpace(text), []byte("null")) {
			continue // the comment at the head
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			t.Fatal(err)
		}
		list = append(list, object)
	}
}

// expected finds the one row that an object belongs to.
func expected(t *testing.T, rows []row, object *unstructured.Unstructured) (int, bool) {
	t.Helper()
	found := -1
	for i, row := range rows {
		for _, pattern := range row.Objects {
			match, err := path.Match(pattern, object.GetName())
			if err != nil {
				t.Fatal(err)
			}
			if match && slices.Contains(row.Kinds, object.GetKind()) {
				if found >= 0 {
					t.Errorf("two rows of expected.yaml: %q and %q", rows[found].Phase, row.Phase)
				}
				found = i
			}
		}
	}
	if found < 0 {
		t.Errorf("no row of expected.yaml")
	}
	return found, found >= 0
}

func TestEveryPhaseIsSeenAsExpected(t *testing.T) {
	rows := rows(t)
	used := make([]map[string]bool, len(rows))
	checks := fluxReader(t, "deploy/flux/health-checks.yaml")
	strict := fluxReader(t, "deploy/flux/until-up-to-date.yaml")
	scripts, neverBlock := configMap(t, "argocd-cm.yaml"), configMap(t, "argocd-cm-never-block.yaml")
	for _, kind := range kinds {
		for _, object := range objects(t, kind) {
			t.Run(kind+"/"+object.GetName(), func(t *testing.T) {
				at, ok := expected(t, rows, object)
				if !ok {
					return
				}
				row := rows[at]
				if used[at] == nil {
					used[at] = map[string]bool{}
				}
				used[at][kind] = true
				is := func(who, want, got string, err error) {
					t.Helper()
					if err != nil || got != want {
						t.Errorf("%s: %s, expected %s (%q); error: %v", who, got, want, row.Phase, err)
					}
				}
				result, err := status.Compute(object)
				if err != nil {
					t.Fatal(err)
				}
				is("kstatus", row.Kstatus, result.Status.String(), nil)
				health, message, err := argoCD(scripts[kind], object.Object)
				is("Argo CD", row.ArgoCD, health, err)
				if message == "" {
					t.Error("Argo CD shows no message")
				}
				health, same, err := argoCD(neverBlock[kind], object.Object)
				is("Argo CD, never block", row.NeverBlock, health, err)
				if same != message {
					t.Errorf("Argo CD, never block, says %q instead of %q", same, message)
				}
				if row.Flux != "" {
					got, err := flux(checks, object)
					is("Flux", row.Flux, got, err)
				}
				if row.UpToDate != "" && kind == "Stage" {
					got, err := flux(strict, object)
					is("Flux, until up to date", row.UpToDate, got, err)
				}
			})
		}
	}
	for i, row := range rows {
		for _, kind := range row.Kinds {
			if !used[i][kind] {
				t.Errorf("no object of kind %s is in phase %q", kind, row.Phase)
			}
		}
	}
}

// What waits says for what, also where it does not block.
func TestTheWaitingTextIsShown(t *testing.T) {
	scripts := configMap(t, "argocd-cm-never-block.yaml")
	for _, object := range objects(t, "Stage") {
		if !strings.Contains(object.GetName(), "-waiting-awaiting-approval") || strings.HasPrefix(object.GetName(), "amiss") ||
			strings.HasPrefix(object.GetName(), "behind") {
			continue
		}
		_, message, err := argoCD(scripts["Stage"], object.Object)
		if err != nil || !strings.HasPrefix(message, "AwaitingApproval: ") || !strings.Contains(message, "kubectl") {
			t.Errorf("%s says %q, %v", object.GetName(), message, err)
		}
	}
}
