//! Programs and lines of a shell, as people start them: the pinned kubectl is on the `PATH`, with the credentials of one user.

use std::{
    env,
    ffi::OsStr,
    path::{PathBuf, absolute},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use super::{Cluster, Kubectl, User};

impl Cluster {
    /// The folder that comes before all others on the `PATH` of [`Cluster::command`]. Nobody has made it yet: it is for plugins of
    /// kubectl.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.dir.join("bin")
    }

    /// A program, as this user. It has nothing of the caller's environment but `PATH`, reads nothing, and is at home and starts in
    /// the folder of the cluster, so that nothing of a person's own is read or written.
    ///
    /// # Errors
    /// When `make setup` was not run.
    pub fn command(&self, user: User, program: impl AsRef<OsStr>) -> Result<Command> {
        // The program starts in another folder than we did.
        let kubectl = absolute(Kubectl::program()?)?;
        let folder = kubectl.parent().context("kubectl lies in no folder")?.to_owned();
        let path = env::var_os("PATH").unwrap_or_default();
        let path = [self.bin(), folder].into_iter().chain(env::split_paths(&path));
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", env::join_paths(path)?)
            .env("HOME", &self.dir)
            .env("KUBECONFIG", self.kubeconfig(user))
            .current_dir(&self.dir)
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Lines that this user types into a shell. The first one that fails ends it.
    ///
    /// # Errors
    /// As [`Cluster::command`].
    pub fn shell(&self, user: User, lines: &str) -> Result<Command> {
        let mut bash = self.command(user, "bash")?;
        bash.args(["-euo", "pipefail", "-c", lines]);
        Ok(bash)
    }
}
