//! The cluster is real: people have the rights they were given, and objects survive a restart of the API server.

use anyhow::{Result, ensure};
use stackgate_testbed::{Cluster, User, fresh_dir};

#[test]
fn users_have_their_rights_and_objects_survive_a_restart() -> Result<()> {
    let mut cluster = Cluster::start(&fresh_dir("cluster")?)?;
    let admin = cluster.kubectl(User::Admin);
    ensure!(admin.run(&["version"])?.contains(&format!("Server Version: v{}", cluster.version()?)));
    admin.apply(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#)?;
    admin.run(&["create", "configmap", "kept", "-n", "shop", "--from-literal=a=1"])?;

    for user in [User::Alice, User::Bob, User::Controller] {
        let kubectl = cluster.kubectl(user);
        ensure!(kubectl.run(&["auth", "whoami"])?.contains(user.name()), "{user:?} is somebody else");
        let denied = kubectl.output(&["get", "configmaps", "-n", "shop"], "")?;
        ensure!(!denied.ok && denied.stderr.contains("Forbidden"), "{user:?}: {denied:?}");
    }
    admin.run(&["create", "role", "reader", "-n", "shop", "--verb=get,list", "--resource=configmaps"])?;
    admin.run(&["create", "rolebinding", "alice", "-n", "shop", "--role=reader", "--user=alice"])?;
    ensure!(cluster.kubectl(User::Alice).run(&["get", "configmaps", "-n", "shop"])?.contains("kept"));

    let url = cluster.url();
    cluster.stop_apiserver();
    ensure!(
        admin.run(&["get", "configmaps", "-n", "shop", "--request-timeout=1s"]).is_err(),
        "it still answers"
    );
    cluster.start_apiserver()?;
    ensure!(cluster.url() == url);
    ensure!(admin.run(&["get", "configmaps", "-n", "shop"])?.contains("kept"));
    Ok(())
}

#[test]
fn two_clusters_live_side_by_side() -> Result<()> {
    let one = Cluster::start(&fresh_dir("one")?)?;
    let other = Cluster::start(&fresh_dir("other")?)?;
    one.kubectl(User::Admin).run(&["create", "namespace", "only-here"])?;
    ensure!(other.kubectl(User::Admin).run(&["get", "namespace", "only-here"]).is_err());
    Ok(())
}
