//! The logs of a failed demo, kept where they are not removed at the end.

use std::{fs, io, path::Path};

use stackgate_testbed::target_dir;

/// Copies the logs out of the folder of the run; says where they are.
pub(crate) fn save(from: &Path) -> String {
    let to = target_dir().join("demo-logs");
    match copy(from, &to) {
        Ok(()) => to.display().to_string(),
        Err(error) => format!("none, they could not be copied from {}: {error}", from.display()),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|end| end == "log")) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
