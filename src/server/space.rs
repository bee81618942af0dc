//! Free space: below `min_free` nothing is taken in, and it is said; it goes on by itself.

use crate::bodies::PackDir;
use crate::config::Config;
use crate::telemetry::names;
use crate::telemetry::registry::Registry;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use std::path::Path;
use std::time::Duration;

/// How soon who was refused asks again.
const ROOM_AGAIN_AFTER: Duration = Duration::from_secs(5);

fn free(dir: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Looks, and opens or closes the intake.
pub(super) fn look(config: &Config, packs: &PackDir, registry: &Registry) {
    let dirs = [Some(packs.dir()), config.database.folder()].into_iter().flatten();
    let found: Vec<_> = dirs.filter_map(|dir| Some((dir, free(dir)?))).collect();
    if let Some(least) = found.iter().map(|(_, n)| *n).min() {
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
        metrics::gauge!(names::FREE_BYTES).set(least as f64);
    }
    let scarce = found.into_iter().find(|(_, n)| *n < config.min_free);
    let was_full = packs.room().is_err();
    match scarce {
        None => {
            packs.set_full(None);
            registry.condition("space", None);
            if was_full {
                tracing::info!("there is room again: mail is taken in");
            }
        }
        Some((dir, n)) => {
            let mib = |octets: u64| octets >> 20;
            let text = format!(
                "{} has {} MiB free, below bodies.min_free ({} MiB): no mail is taken in until there is room",
                dir.display(),
                mib(n),
                mib(config.min_free)
            );
            if !was_full {
                tracing::error!("{text}");
            }
            registry.condition("space", Some(text.clone()));
            let failure = Failure::new(Class::Storage, Reach::Process, Provenance::Local, text);
            packs.set_full(Some(failure.when(When::After(ROOM_AGAIN_AFTER))));
        }
    }
}
