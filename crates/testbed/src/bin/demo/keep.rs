//! `make demo KEEP=1`: everything stays, for people to look around.

use std::{env, fs, os::unix::fs::symlink, path::Path};

use anyhow::{Context, Result};
use stackgate_testbed::{
    User, kubernetes_program,
    scenario::{REGION, Story},
    target_dir,
};

/// Whether everything shall stay.
pub(crate) fn wanted() -> bool {
    env::var("KEEP").is_ok_and(|keep| !keep.is_empty() && keep != "0")
}

/// Prints the environment for kubectl and aws, and waits for Ctrl-C. It ends all that was started.
pub(crate) fn running(story: &Story) -> Result<()> {
    let world = &story.world;
    let export = |name: &str, value: &str| story.teller.plain(&format!("export {name}={value}"));
    let path = |path: &Path| path.display().to_string();
    story.teller.heading("everything is left running; for kubectl and aws:");
    let plugin = world.dir.join("bin");
    fs::create_dir_all(&plugin).context("a folder for the plugin of kubectl")?;
    for name in ["stackgate", "kubectl-stackgate"] {
        symlink(target_dir().join("debug/stackgate"), plugin.join(name)).context("the plugin of kubectl")?;
    }
    if let Some(programs) = kubernetes_program("kubectl")?.parent() {
        export("PATH", &format!("{}:{}:$PATH", path(&plugin), path(programs)));
    }
    export("KUBECONFIG", &path(&world.cluster.kubeconfig(User::Admin)));
    export("AWS_ENDPOINT_URL", &world.emulator.endpoint());
    export("AWS_CA_BUNDLE", &path(world.emulator.authority()));
    export("SSL_CERT_FILE", &path(world.emulator.authority()));
    export("AWS_REGION", REGION);
    export("AWS_DEFAULT_REGION", REGION);
    story.teller.plain("# the 12 digits of an account are the key of its root user; any secret will do");
    export("AWS_ACCESS_KEY_ID", stackgate_testbed::scenario::DEV);
    export("AWS_SECRET_ACCESS_KEY", "root");
    story.teller.plain(
        "\n# what people do; alice and bob may approve, and KUBECONFIG above is that of the administrator:",
    );
    story.teller.plain("kubectl stackgate -n shop status");
    story.teller.plain(
        "kubectl stackgate -n shop rollback prod     # plans the release before, and waits for two people",
    );
    for user in [User::Alice, User::Bob] {
        let kubeconfig = path(&world.cluster.kubeconfig(user));
        story.teller.plain(&format!("KUBECONFIG={kubeconfig} kubectl stackgate -n shop approve prod"));
    }
    story.teller.plain("\nCtrl-C ends everything.");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("waiting for Ctrl-C")?;
    runtime.block_on(tokio::signal::ctrl_c()).context("waiting for Ctrl-C")
}
