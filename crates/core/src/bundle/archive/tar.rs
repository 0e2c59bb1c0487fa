//! tar.gz: the whole decompressed stream is counted, headers and long names included.

use std::{
    cell::RefCell,
    io::{self, Read},
};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::{ArchiveError, Meter, insert_link};
use crate::bundle::{
    path::TreePath,
    tree::{File, Node, Tree},
};

/// The meter, and the cap that it stopped at: the tar crate turns errors of its reader into text.
struct Gauge {
    meter: Meter,
    stopped: Option<ArchiveError>,
}

struct Metered<'a, R> {
    inner: R,
    gauge: &'a RefCell<Gauge>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        let mut gauge = self.gauge.borrow_mut();
        gauge.meter.bytes(n).map_err(|cap| {
            gauge.stopped = Some(cap);
            io::Error::other("a cap was passed")
        })?;
        Ok(n)
    }
}

pub(super) fn read(bytes: &[u8], meter: Meter) -> Result<Tree, ArchiveError> {
    let gauge = RefCell::new(Gauge { meter, stopped: None });
    let failed = |e: io::Error| {
        gauge.borrow_mut().stopped.take().unwrap_or_else(|| ArchiveError::Damaged(e.to_string()))
    };
    let mut archive = Archive::new(Metered { inner: MultiGzDecoder::new(bytes), gauge: &gauge });
    let mut tree = Tree::default();
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        gauge.borrow_mut().meter.entry()?;
        add(&mut tree, &mut entry, &failed)?;
    }
    // What follows the last entry still has to be a whole gzip stream: its checksum stands at its end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(failed)?;
    Ok(tree)
}

fn add<R: Read>(
    tree: &mut Tree,
    entry: &mut Entry<'_, R>,
    failed: &dyn Fn(io::Error) -> ArchiveError,
) -> Result<(), ArchiveError> {
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(());
    }
    let name = entry.path_bytes().into_owned();
    let path = TreePath::parse_bytes(&name)?;
    match kind {
        EntryType::Directory => Ok(()),
        // Old archives mark directories by the slash alone.
        EntryType::Regular if name.ends_with(b"/") && entry.size() == 0 => Ok(()),
        EntryType::Regular | EntryType::Continuous => {
            let executable = entry.header().mode().map_err(failed)? & 0o111 != 0;
            let size = entry.size();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(failed)?;
            if bytes.len() as u64 != size {
                return Err(ArchiveError::Damaged(format!("{path} is cut off")));
            }
            Ok(tree.insert(path, Node::File(File::new(bytes, executable)))?)
        }
        EntryType::Symlink => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            insert_link(tree, path, &target)
        }
        EntryType::Link => Err(ArchiveError::Kind { path, kind: "hard link" }),
        EntryType::Char | EntryType::Block => Err(ArchiveError::Kind { path, kind: "device" }),
        EntryType::Fifo => Err(ArchiveError::Kind { path, kind: "fifo" }),
        EntryType::GNUSparse => Err(ArchiveError::Kind { path, kind: "sparse file" }),
        // The tar crate hands these on only where none belongs.
        EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader => {
            Err(ArchiveError::Kind { path, kind: "misplaced extension header" })
        }
        _ => Err(ArchiveError::Kind { path, kind: "tar entry of an unknown type" }),
    }
}
