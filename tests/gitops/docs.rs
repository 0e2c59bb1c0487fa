//! What `docs/argocd.md` and `docs/flux.md` tell users to apply.

use std::{fs, os::unix::fs::symlink, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{Cluster, Kubectl, User, fresh_dir, repository};

/// The files of the repository that this test applies are there under the names that the docs give.
#[test]
fn the_docs_name_files_that_are_there() {
    for page in ["docs/argocd.md", "docs/flux.md"] {
        let text = std::fs::read_to_string(repository().join(page)).unwrap_or_default();
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

/// The commands of docs/argocd.md that install the checks, on a ConfigMap that has keys of others.
#[test]
fn the_health_checks_are_installed_beside_what_is_there() -> Result<()> {
    let cluster = Cluster::start(&fresh_dir("argocd-cm")?)?;
    let kubectl = cluster.kubectl(User::Admin);
    kubectl.run(&["create", "namespace", "argocd"])?;
    let theirs = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "argocd-cm", "namespace": "argocd" },
        "data": { "url": "https://argocd.example" } });
    kubectl.apply(&theirs.to_string())?;
    let docs = std::fs::read_to_string(repository().join("docs/argocd.md"))?;
    let commands: Vec<&str> =
        docs.lines().filter_map(|line| line.strip_prefix("kubectl -n argocd patch ")).collect();
    ensure!(commands.len() == 2, "the docs have these commands: {commands:?}");
    for command in commands {
        let file = repository().join(command.rsplit(' ').next().unwrap_or_default()).display().to_string();
        let mut args: Vec<&str> = vec!["-n", "argocd", "patch"];
        args.extend(command.split(' '));
        args.pop();
        args.push(&file);
        kubectl.run(&args)?;
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
    let dir = fresh_dir("flux-md")?;
    let cluster = Cluster::start(&dir)?;
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

    let text = fs::read_to_string(repository().join("docs/flux.md"))?;
    let blocks: Vec<&str> =
        text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    ensure!(blocks.len() == 1, "{blocks:?}");
    let bin = dir.join("bin");
    fs::create_dir_all(&bin)?;
    symlink(Kubectl::program()?, bin.join("kubectl"))?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)))?;
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &blocks.concat()])
        .env("PATH", path)
        .env("KUBECONFIG", cluster.kubeconfig(User::Admin))
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value =
        serde_json::from_str(&kubectl.run(&["-n", "shop", "get", "plan", "prod-3f9c", "-o", "json"])?)?;
    ensure!(found["metadata"]["annotations"]["gate.stackgate.dev/approve"] == id, "{found:#}");
    Ok(())
}
