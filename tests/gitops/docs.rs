//! What `docs/argocd.md` and `docs/flux.md` tell users to apply and to type. What flux.md says of `kubectl stackgate` is typed by `tests/cli`.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{Cluster, User, fresh_dir, repository};

const ARGO_CD: &str = include_str!("../../docs/argocd.md");
const FLUX: &str = include_str!("../../docs/flux.md");

/// The blocks of commands on a page.
fn blocks(page: &str) -> Vec<&str> {
    page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Types a block as the administrator, in the repository, whose files the pages name.
fn typed(cluster: &Cluster, block: &str) -> Result<()> {
    let output =
        cluster.shell(User::Admin, block)?.current_dir(repository()).output().context("starting bash")?;
    ensure!(output.status.success(), "{block}{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The files of the repository that this test applies are there under the names that the docs give.
#[test]
fn the_docs_name_files_that_are_there() {
    for (page, text) in [("docs/argocd.md", ARGO_CD), ("docs/flux.md", FLUX)] {
        let files: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || "`()[]".contains(c))
            .filter(|word| word.starts_with("deploy/"))
            .collect();
        assert!(!files.is_empty(), "{page} names no file");
        for file in files {
            assert!(repository().join(file).is_file(), "{page} names {file}");
        }
    }
}

/// Every `sh` block of docs/argocd.md, as it is typed: they install the checks, here on a ConfigMap that has keys of others.
#[test]
fn the_health_checks_are_installed_beside_what_is_there() -> Result<()> {
    let cluster = Cluster::start(&fresh_dir("argocd-cm")?)?;
    let kubectl = cluster.kubectl(User::Admin);
    kubectl.run(&["create", "namespace", "argocd"])?;
    let theirs = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "argocd-cm", "namespace": "argocd" },
        "data": { "url": "https://argocd.example" } });
    kubectl.apply(&theirs.to_string())?;
    let blocks = blocks(ARGO_CD);
    ensure!(blocks.len() == 2, "{blocks:?}");
    for block in blocks {
        typed(&cluster, block)?;
        let map: Value = serde_json::from_str(&kubectl.run(&[
            "-n",
            "argocd",
            "get",
            "configmap",
            "argocd-cm",
            "-o",
            "json",
        ])?)?;
        let data = map["data"].as_object().context("no data")?;
        ensure!(data.len() == 7 && data["url"] == "https://argocd.example", "{:?}", data.keys());
    }
    // Argo CD's own installation, applied again, leaves them.
    kubectl.apply(&theirs.to_string())?;
    let keys = kubectl.run(&["-n", "argocd", "get", "configmap", "argocd-cm", "-o", "jsonpath={.data}"])?;
    ensure!(keys.contains("stackgate.dev_Stage"), "they are gone after the next installation of Argo CD");
    Ok(())
}

/// Every `sh` block of docs/flux.md, as it is typed.
#[test]
fn what_flux_md_says_is_typed_and_approves() -> Result<()> {
    let cluster = Cluster::start(&fresh_dir("flux-md")?)?;
    let kubectl = cluster.kubectl(User::Admin);
    kubectl.run(&["apply", "--server-side", "-f", &repository().join("crds").display().to_string()])?;
    kubectl.wait_for_kinds()?;
    kubectl.run(&["create", "namespace", "shop"])?;
    let (api, id) = ("stackgate.dev/v1alpha1", format!("c1-{}", "3f9c".repeat(10)));
    let stage = json!({ "apiVersion": api, "kind": "Stage", "metadata": { "name": "prod", "namespace": "shop" },
        "spec": { "assemblyRef": { "name": "shop" }, "accounts": ["shop-prod"] } });
    kubectl.apply(&stage.to_string())?;
    let plan = json!({ "apiVersion": api, "kind": "ChangePlan", "metadata": { "name": "prod-3f9c", "namespace": "shop" },
        "spec": { "proposal": { "kind": "Stage", "name": "prod", "uid": "0d9c6c1e-0000-4000-8000-000000000001",
            "operation": "Deploy", "id": id }, "ledger": [] } });
    kubectl.apply(&plan.to_string())?;
    let status = json!({ "status": { "pending": { "plan": "prod-3f9c", "id": id, "name": "r1", "digest": format!("sha256:{}", "0".repeat(64)) } } });
    kubectl.run(&[
        "-n",
        "shop",
        "patch",
        "cdkstage",
        "prod",
        "--subresource=status",
        "--type=merge",
        "-p",
        &status.to_string(),
    ])?;

    let blocks = blocks(FLUX);
    let [block] = blocks.as_slice() else { anyhow::bail!("{blocks:?}") };
    typed(&cluster, block)?;
    let found: Value =
        serde_json::from_str(&kubectl.run(&["-n", "shop", "get", "plan", "prod-3f9c", "-o", "json"])?)?;
    ensure!(found["metadata"]["annotations"]["gate.stackgate.dev/approve"] == id, "{found:#}");
    Ok(())
}
