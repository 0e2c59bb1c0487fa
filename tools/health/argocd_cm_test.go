package health

import (
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const keyPrefix = "resource.customizations.health.stackgate.dev_"

// configMap reads the scripts of one of the files that users apply, by kind: nothing else may be in it.
func configMap(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(repository("deploy/argocd/" + file))
	if err != nil {
		t.Fatal(err)
	}
	var config corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &config); err != nil {
		t.Fatal(err)
	}
	if config.Name != "argocd-cm" || config.Kind != "ConfigMap" {
		t.Errorf("%s is %s %s", file, config.Kind, config.Name)
	}
	scripts := map[string]string{}
	for key, script := range config.Data {
		kind, ours := strings.CutPrefix(key, keyPrefix)
		if !ours || strings.Contains(kind, "*") {
			t.Errorf("%s: key %s", file, key)
		}
		scripts[kind] = script
	}
	for _, kind := range kinds {
		if scripts[kind] == "" {
			t.Errorf("%s: no script for %s", file, kind)
		}
	}
	if len(scripts) != len(kinds) {
		t.Errorf("%s: %d scripts", file, len(scripts))
	}
	return scripts
}

// Argo CD evaluates what others may have written into the object, too: an error would be shown as Unknown, for ever.
func TestNoObjectMakesAScriptFail(t *testing.T) {
	condition := func(fields map[string]any) map[string]any {
		return map[string]any{"observedGeneration": int64(1), "conditions": []any{fields}}
	}
	statuses := map[string]map[string]any{
		"none":                   nil,
		"empty":                  {},
		"no conditions":          {"observedGeneration": int64(1)},
		"empty conditions":       {"observedGeneration": int64(1), "conditions": []any{}},
		"no reason, no message":  condition(map[string]any{"type": "Waiting", "status": "True"}),
		"only ready":             condition(map[string]any{"type": "Ready", "status": "True"}),
		"not ready, for no word": condition(map[string]any{"type": "Ready", "status": "False"}),
		"ready is unknown":       condition(map[string]any{"type": "Ready", "status": "Unknown"}),
		"a type of others":       condition(map[string]any{"type": "Theirs", "status": "True"}),
	}
	for _, file := range []string{"argocd-cm.yaml", "argocd-cm-never-block.yaml"} {
		for kind, script := range configMap(t, file) {
			for name, status := range statuses {
				object := map[string]any{"metadata": map[string]any{"name": "x", "generation": int64(1)}}
				if status != nil {
					object["status"] = status
				}
				health, _, err := argoCD(script, object)
				if err != nil {
					t.Errorf("%s, %s, %s: %v", file, kind, name, err)
				}
				if health == "Healthy" && kind != "ChangePlan" && name != "only ready" && name != "no reason, no message" {
					t.Errorf("%s, %s, %s: Healthy though nothing says so", file, kind, name)
				}
			}
		}
	}
}
