//! `argocd-cm`: the scripts of `deploy/argocd/health`, as users apply them.

use std::{fmt::Write as _, fs};

use crate::in_step::{holds, repository};

const KINDS: [&str; 6] = ["AwsAccount", "Bootstrap", "ChangePlan", "CloudAssembly", "Freeze", "Stage"];

/// The line that says what waiting is; the variant that never blocks has another word in it.
const SUSPENDED: &str = "local waiting = \"Suspended\"\n";
const HEALTHY: &str = "local waiting = \"Healthy\"\n";

fn config_map(about: &str, waiting: &str) -> String {
    let mut text = format!(
        "# Made from deploy/argocd/health by `UPDATE_HEALTH=1 cargo test -p stackgate-core --test health`.\n{about}apiVersion: v1\nkind: ConfigMap\nmetadata:\n  \
         name: argocd-cm\n  namespace: argocd\ndata:\n"
    );
    for kind in KINDS {
        let script = fs::read_to_string(repository(&format!("deploy/argocd/health/{kind}.lua"))).unwrap();
        let waits = ["Bootstrap", "ChangePlan", "Stage"].contains(&kind);
        assert_eq!(script.contains(SUSPENDED), waits, "{kind}.lua");
        writeln!(text, "  resource.customizations.health.stackgate.dev_{kind}: |").unwrap();
        for line in script.replace(SUSPENDED, waiting).lines() {
            writeln!(text, "{}{line}", if line.is_empty() { "" } else { "    " }).unwrap();
        }
    }
    text
}

#[test]
fn the_config_maps_hold_the_scripts() {
    let apply = |file: &str| {
        format!("#   kubectl -n argocd patch configmap argocd-cm --patch-file deploy/argocd/{file}\n")
    };
    let about = format!("# A Stage that waits for a person is Suspended.\n{}", apply("argocd-cm.yaml"));
    holds("deploy/argocd/argocd-cm.yaml", &config_map(&about, SUSPENDED));
    let about = format!(
        "# A Stage that waits for a person is Healthy, with the waiting text: it never holds a sync up.\n{}",
        apply("argocd-cm-never-block.yaml")
    );
    holds("deploy/argocd/argocd-cm-never-block.yaml", &config_map(&about, HEALTHY));
}
