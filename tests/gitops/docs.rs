//! What `docs/argocd.md` and `docs/flux.md` tell users to apply.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stackgate_testbed::{Cluster, User, fresh_dir, repository};

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
