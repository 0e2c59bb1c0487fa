//! The chart as a release of helm: what an upgrade changes, and what stays afterwards.

use anyhow::{Context, Result, ensure};
use stackgate_testbed::{Chart, User::Admin};

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
    Ok(())
}
