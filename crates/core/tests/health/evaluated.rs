//! tools/health, run: Go tests with the code that Argo CD and Flux run.

use std::process::{Command, Stdio};

use crate::in_step::{repository, updating};

#[test]
fn argocd_kstatus_and_flux_see_every_phase_as_expected() {
    if updating() {
        return; // the files are being written
    }
    let go = Command::new("go")
        .current_dir(repository("tools/health"))
        .args(["test", "-count=1", "-mod=readonly", "-trimpath", "./..."])
        // As tools/setup builds the Kubernetes programs: what they share is compiled once.
        .env("GOWORK", "off")
        .env("GOFLAGS", "-buildvcs=false")
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .output();
    let output = match go {
        Ok(output) => output,
        Err(error) => panic!(
            "`go` cannot be started ({error}): Go 1.26 is needed for the health checks in tools/health"
        ),
    };
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
