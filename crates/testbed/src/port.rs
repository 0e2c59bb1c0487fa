//! Ports for programs that cannot be handed an open socket.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};

/// Below what systems give to outgoing connections (32768 on Linux, 49152 elsewhere), so that none of those takes a port
/// between our look and the program's start, or while a server restarts.
const RANGE: std::ops::Range<u32> = 20_000..32_000;

/// A port on loopback that is free now. Somebody else may still be quicker: the caller tries again then.
pub(crate) fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let width = RANGE.end - RANGE.start;
    // Test programs that run side by side begin apart.
    let first = process::id().wrapping_mul(97);
    (0..width)
        .filter_map(|_| {
            let offset = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % width;
            u16::try_from(RANGE.start + offset).ok()
        })
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no free port on loopback between 20000 and 32000")
}
