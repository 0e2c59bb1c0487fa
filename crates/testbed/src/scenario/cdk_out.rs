//! A synthesised cloud assembly in memory: what an application team's CI holds before it uploads it.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

/// The files of a `cdk.out`, by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdkOut(BTreeMap<String, Vec<u8>>);

impl CdkOut {
    /// Reads the directory.
    ///
    /// # Errors
    /// When a file cannot be read or has a name that is not UTF-8.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut open = vec![dir.to_owned()];
        while let Some(next) = open.pop() {
            for entry in fs::read_dir(&next).with_context(|| format!("reading {}", next.display()))? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let name = path.strip_prefix(dir)?.to_str().context("a file name that is not UTF-8")?;
                let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
                files.insert(name.to_owned(), bytes);
            }
        }
        Ok(Self(files))
    }

    /// Writes it into a folder, as `cdk synth` would.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        for (path, bytes) in &self.0 {
            let file = dir.join(path);
            fs::create_dir_all(file.parent().unwrap_or(dir))?;
            fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(())
    }

    /// The paths.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The template of a stack, by the start of its file name: `DevStore`, before the CDK's hash.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn template_path(&self, stack: &str) -> Result<String> {
        self.path_of(stack, ".template.json")
    }

    /// The only path whose file name starts and ends so.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn path_of(&self, start: &str, end: &str) -> Result<String> {
        let file = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let found: Vec<&str> =
            self.paths().filter(|path| file(path).starts_with(start) && path.ends_with(end)).collect();
        match found.as_slice() {
            [one] => Ok((*one).to_owned()),
            _ => anyhow::bail!("{} files are called {start}…{end}: {found:?}", found.len()),
        }
    }

    /// One file, as JSON.
    ///
    /// # Errors
    /// When it is not there, or no JSON.
    pub fn json(&self, path: &str) -> Result<Value> {
        let bytes = self.0.get(path).with_context(|| format!("no file {path}"))?;
        serde_json::from_slice(bytes).with_context(|| format!("reading {path}"))
    }

    /// Replaces a text in every file that is text, and in the names of the files.
    #[must_use]
    pub fn replaced(&self, from: &str, to: &str) -> Self {
        let files = self.0.iter().map(|(path, bytes)| {
            let bytes = match std::str::from_utf8(bytes) {
                Ok(text) => text.replace(from, to).into_bytes(),
                Err(_) => bytes.clone(),
            };
            (path.replace(from, to), bytes)
        });
        Self(files.collect())
    }

    /// Changes one JSON file.
    ///
    /// # Errors
    /// When it is not there, or no JSON.
    pub fn edit(&mut self, path: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut value = self.json(path)?;
        change(&mut value);
        self.0.insert(path.to_owned(), serde_json::to_vec_pretty(&value)?);
        Ok(())
    }

    /// Adds a file, or puts it in the place of another.
    pub fn add(&mut self, path: &str, bytes: Vec<u8>) {
        self.0.insert(path.to_owned(), bytes);
    }

    /// Takes a file out.
    ///
    /// # Errors
    /// When it is not there.
    pub fn remove(&mut self, path: &str) -> Result<()> {
        ensure!(self.0.remove(path).is_some(), "no file {path}");
        Ok(())
    }

    /// Packs it as `tar -czf` would, with `manifest.json` at the root; the same files give the same bytes.
    ///
    /// # Errors
    /// When a path is too long for the format.
    pub fn pack(&self) -> Result<Vec<u8>> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, bytes) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_size(u64::try_from(bytes.len())?);
            header.set_mode(0o644);
            header.set_mtime(0);
            tar.append_data(&mut header, path, bytes.as_slice())
                .with_context(|| format!("packing {path}"))?;
        }
        Ok(tar.into_inner()?.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_read_changed_and_packed_the_same_each_time() -> Result<()> {
        let dir = crate::fresh_dir("cdk-out")?;
        fs::create_dir(dir.join("assembly-Dev"))?;
        fs::write(dir.join("manifest.json"), br#"{"account":"111111111111"}"#)?;
        fs::write(dir.join("assembly-Dev/a.template.json"), b"{}")?;
        let mut out = CdkOut::read(&dir)?.replaced("111111111111", "400000000001");
        out.edit(&out.template_path("a")?, |template| template["a"] = json!(1))?;
        assert_eq!(out.json("manifest.json")?["account"], "400000000001");
        assert_eq!(out.json("assembly-Dev/a.template.json")?["a"], 1);
        assert_eq!(out.pack()?, out.clone().pack()?);
        let packed = out.pack()?;
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
        let names: Vec<_> =
            archive.entries()?.map(|entry| anyhow::Ok(entry?.path()?.into_owned())).collect::<Result<_>>()?;
        assert_eq!(names, [Path::new("assembly-Dev/a.template.json"), Path::new("manifest.json")]);
        out.remove("manifest.json")?;
        assert_eq!(out.paths().collect::<Vec<_>>(), ["assembly-Dev/a.template.json"]);
        Ok(())
    }
}
