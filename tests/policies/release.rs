//! The chart as a release of helm: what an upgrade changes, and what stays afterwards.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use stackgate_testbed::{Chart, User::Admin, repository};

use crate::world::World;

pub async fn an_upgrade_changes_kinds_and_an_uninstall_leaves_them(world: &World) -> Result<()> {
    let kubeconfig = world.cluster.kubeconfig(Admin);
    let admin = world.admin();
    let column = "{.spec.versions[0].additionalPrinterColumns[0].name}";
    let first = || admin.run(&["get", "crd", "stages.stackgate.dev", "-o", &format!("jsonpath={column}")]);
    let before = first()?;
    // As if an older version had been there.
    let older = r#"[{"op": "replace", "path": "/spec/versions/0/additionalPrinterColumns/0/name", "value": "Older"}]"#;
    admin.run(&["patch", "crd", "stages.stackgate.dev", "--type=json", "-p", older])?;
    Chart::new(&world.kubernetes).install(&kubeconfig).context("an upgrade")?;
    ensure!(first()? == before, "an upgrade leaves the kinds as they are");

    Chart::uninstall(&kubeconfig)?;
    admin
        .run(&["get", "crd", "stages.stackgate.dev"])
        .context("the kinds went, and all objects with them")?;
    let left =
        admin.run(&["get", "validatingadmissionpolicies,validatingadmissionpolicybindings", "-o", "name"])?;
    ensure!(left.is_empty(), "left behind: {left}");

    // Then as the pages say: beside the kinds that are still there, and over what is there.
    for page in ["README.md", "docs/who-may.md"] {
        let text = fs::read_to_string(repository().join(page))?;
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("helm ")).collect();
        let [line] = lines.as_slice() else { bail!("{page} has these commands of helm: {lines:?}") };
        Chart::typed(&line.replace("<yours>", "registry.example/ours"), &kubeconfig).context(page)?;
        let image = "-o=jsonpath={.spec.template.spec.containers[0].image}";
        let image = admin.run(&["get", "-n", "stackgate-system", "deployment", "stackgate", image])?;
        ensure!(image.starts_with("registry.example/ours:"), "{page}: {image}");
    }
    Chart::uninstall(&kubeconfig)?;
    Ok(())
}
