//! Soft links, followed inside the asset that holds them and nowhere else.

use super::{
    entries::ContentError,
    path::TreePath,
    tree::{File, Node, Tree},
};

/// As many links in a row as Linux follows.
const MAX_HOPS: usize = 40;

/// What a link leads to in the end.
pub(super) enum Target<'a> {
    File(&'a File),
    Directory(TreePath),
}

/// Whether the text of a link, read without following other links, stays inside the link's own asset directory.
pub(super) fn stays_inside(link: &TreePath, target: &str) -> bool {
    let Some(asset) = link.asset_directory() else { return false };
    if target.is_empty()
        || target.starts_with('/')
        || target.contains('\\')
        || target.chars().any(char::is_control)
    {
        return false;
    }
    // The depth below the asset directory must never become negative on the way.
    let mut depth = link.parent().components().count().saturating_sub(asset.components().count());
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(up) => depth = up,
                None => return false,
            },
            _ => depth += 1,
        }
    }
    true
}

/// Follows a link to a file or directory, and links on the way, as a file system does.
pub(super) fn follow<'a>(tree: &'a Tree, link: &TreePath, target: &str) -> Result<Target<'a>, ContentError> {
    let escapes = || ContentError::Escapes { link: link.clone(), target: target.to_owned() };
    let dangling = || ContentError::Dangling { link: link.clone(), target: target.to_owned() };
    let asset = link.asset_directory().ok_or_else(escapes)?;
    let mut at = link.parent();
    let mut pending: Vec<&str> = reversed(target);
    let mut hops = 0;
    if target.starts_with('/') {
        return Err(escapes());
    }
    while let Some(part) = pending.pop() {
        match part {
            "" | "." => {}
            ".." if at == asset => return Err(escapes()),
            ".." => at = at.parent(),
            name => {
                let next = at.join(name)?;
                match tree.get(&next) {
                    Some(Node::Link { target: through }) => {
                        hops += 1;
                        if hops > MAX_HOPS {
                            return Err(ContentError::Circle { link: link.clone() });
                        }
                        if through.starts_with('/') {
                            return Err(escapes());
                        }
                        pending.extend(reversed(through));
                    }
                    Some(Node::File(file)) if pending.is_empty() => return Ok(Target::File(file)),
                    Some(Node::File(_)) => return Err(dangling()),
                    None if tree.is_directory(&next) => at = next,
                    None => return Err(dangling()),
                }
            }
        }
    }
    Ok(Target::Directory(at))
}

fn reversed(target: &str) -> Vec<&str> {
    target.split('/').rev().collect()
}
