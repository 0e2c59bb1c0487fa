//! Step 2: an archive in S3 becomes a release.

use anyhow::{Result, ensure};

use super::Story;
use crate::scenario::SHOP;

pub(super) fn run(story: &mut Story) -> Result<()> {
    story.publish(1)?;
    story.show(&["get", "cdkout", "-n", SHOP])?;
    let release = story.release(1)?;
    ensure!(release.digest.contains(&release.name), "{} is not named by {}", release.name, release.digest);
    story.teller.holds(&format!("release {} is named by the digest of what it deploys", release.name));
    Ok(())
}
