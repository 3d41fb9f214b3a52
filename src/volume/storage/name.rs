//! The names of storage containers: `refit-volume-<8 hex>-<lease>`.
//!
//! Rules: docs/volumes.md, section 4.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

/// How long a lease lasts, in seconds.
pub(crate) const LEASE: i64 = 30;

/// A lease that ends later than this was written by another clock: it does not count.
const LONGEST_LEASE: i64 = 300;

const PREFIX: &str = "refit-volume-";

/// The name of a storage container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StorageName {
    random: u32,
    /// When the lease ends, in seconds since 1970 by the engine's clock.
    lease: u32,
}

impl StorageName {
    /// A name that nobody else has, with a lease that begins now.
    pub(crate) fn new(now: i64) -> Self {
        Self { random: random() as u32, lease: end(now) }
    }

    /// Reads a name, with or without the engine's slash.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (random, lease) = name.strip_prefix('/').unwrap_or(name).strip_prefix(PREFIX)?.split_once('-')?;
        let number = |text: &str| {
            let is_hex = text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            is_hex.then(|| u32::from_str_radix(text, 16).ok()).flatten()
        };
        Some(Self { random: number(random)?, lease: number(lease)? })
    }

    /// Whether the call that made it may still go on.
    pub(crate) fn is_live(self, now: i64) -> bool {
        let left = i64::from(self.lease) - now;
        left > 0 && left <= LONGEST_LEASE
    }
}

impl fmt::Display for StorageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:08x}-{:08x}", self.random, self.lease)
    }
}

/// A folder at the root of a container that no link in a volume can name, as nobody can guess it.
pub(crate) fn mount_point() -> String {
    format!("/refit-{:016x}{:016x}", random(), random())
}

fn end(now: i64) -> u32 {
    u32::try_from(now + LEASE).unwrap_or(u32::MAX)
}

/// From the keys of the standard library's hash maps, which the system's random numbers have made.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let name = StorageName { random: 0x12ab, lease: 0x6500_0000 };
        assert_eq!(name.to_string(), "refit-volume-000012ab-65000000");
        assert_eq!(StorageName::parse(&name.to_string()), Some(name));
        assert_eq!(StorageName::parse(&format!("/{name}")), Some(name));
        for other in [
            "refit-volume",
            "refit-volume-000012ab",
            "refit-volume-000012ab-6500000",
            "refit-volume-000012AB-65000000",
            "refit-volume-000012ab-65000000-1",
            "refit-volume-000012ab-+5000000",
            "my-refit-volume-000012ab-65000000",
            "/x/refit-volume-000012ab-65000000",
        ] {
            assert_eq!(StorageName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_lease_ends_and_one_too_far_ahead_does_not_count() {
        let name = StorageName::new(1000);
        for (now, live) in [(1000, true), (1029, true), (1030, false), (2000, false), (700, false), (731, true)] {
            assert_eq!(name.is_live(now), live, "{now}");
        }
        assert_ne!(StorageName::new(1000).random, StorageName::new(1000).random);
    }

    #[test]
    fn a_mount_point_is_another_each_time() {
        assert_ne!(mount_point(), mount_point());
        assert_eq!(mount_point().len(), 39);
    }
}
