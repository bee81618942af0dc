//! What a server listens to beside its accounts: signals, and its config file.
#![expect(
    clippy::disallowed_methods,
    reason = "config, secrets and space are looked at every second"
)]

use crate::server::follow::{Stamp, stamp_of};
use crate::server::serve_error::ServeError;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often config, secrets and space are looked at.
pub(super) const SURROUNDINGS_LOOK_EVERY: Duration = Duration::from_secs(1);

/// A config file that is watched.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) file: PathBuf,
    /// What it looked like when it was read.
    pub(super) read: Stamp,
    /// What it looked like a moment ago: a file that is still being written is not read yet.
    seen: Stamp,
}

impl Watched {
    /// As it looks now.
    pub(super) fn new(file: PathBuf) -> Self {
        let look = stamp_of(&file);
        Self { file, read: look, seen: look }
    }

    /// Whether it has changed, and is quiet.
    pub(super) fn has_settled(&mut self) -> bool {
        let now = stamp_of(&self.file);
        let quiet = std::mem::replace(&mut self.seen, now) == now;
        quiet && now != self.read
    }
}

#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// What is heard while serving.
pub(super) enum Heard {
    End,
    Reload,
    Look,
}

impl Signals {
    pub(super) fn new() -> Result<Self, ServeError> {
        let on = |kind| {
            signal(kind)
                .map_err(|source| ServeError::System { what: "listening for signals", source })
        };
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    pub(super) async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    pub(super) async fn hear(&mut self) -> Heard {
        tokio::select! {
            _ = self.interrupt.recv() => Heard::End,
            _ = self.terminate.recv() => Heard::End,
            _ = self.hangup.recv() => Heard::Reload,
            () = tokio::time::sleep(SURROUNDINGS_LOOK_EVERY) => Heard::Look,
        }
    }
}
