//! What is behind a grant, as the sessions of this process have seen it.

use crate::clock::Clock;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Raw MIME that is refused for so long, so often, to all and without a pause, is not handed out.
const LASTING: Duration = Duration::from_secs(600);
const OFTEN: u32 = 20;
const IN_A_ROW: Duration = Duration::from_secs(120);

/// A key that opened the application is believed for so long.
const GOOD: Duration = Duration::from_secs(60);

/// Whether Nylas reads it by IMAP.
pub(super) fn is_imap(provider: &str) -> bool {
    matches!(provider, "imap" | "icloud" | "yahoo")
}

/// Whether raw MIME is handed out.
#[derive(Clone, Copy, Debug, Default)]
enum RawMime {
    #[default]
    Unasked,
    Came,
    /// Since then, until then, so often in a row; and it never came.
    Refused {
        since: Duration,
        last: Duration,
        times: u32,
    },
}

/// What is behind a grant: the same for all its sessions.
#[derive(Debug)]
pub(super) struct Behind {
    provider: OnceLock<String>,
    raw: Mutex<RawMime>,
    /// When the key opened the application.
    good: Mutex<Option<Duration>>,
    /// Who reads what is told of a whole message.
    pub(super) telling: tokio::sync::Mutex<()>,
    /// Folders that could not be listed at the server behind it.
    unlisted: Mutex<BTreeSet<String>>,
    /// Since when there is no such grant, and how long that is not believed.
    gone: Mutex<Option<Duration>>,
    pub(super) gone_after: Duration,
    pub(super) clock: Clock,
}

impl Behind {
    pub(super) fn of(gone_after: Duration) -> Self {
        Self {
            gone: Mutex::default(),
            gone_after,
            provider: OnceLock::new(),
            raw: Mutex::default(),
            good: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
            unlisted: Mutex::default(),
            clock: Clock::start(),
        }
    }

    pub(super) fn provider(&self) -> Option<&str> {
        self.provider.get().map(String::as_str)
    }

    /// There is such a grant, or there is none: whether that is believed.
    pub(super) fn is_gone(&self, is_missing: bool) -> bool {
        let mono = self.clock.now().mono;
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_missing {
            *gone = None;
            return false;
        }
        let since = *gone.get_or_insert(mono);
        since < mono && mono.saturating_sub(since) >= self.gone_after
    }

    /// A login has seen this provider, if any. Another one than before is not believed: its folders are others.
    pub(super) fn is(&self, told: Option<String>) -> Result<(), Failure> {
        let Some(told) = told else { return Ok(()) };
        let known = self.provider.get_or_init(|| told.clone());
        if *known == told {
            return Ok(());
        }
        let text = format!("the grant was of {known}, and is said to be of {told} now");
        Err(Failure::new(Class::Provider, Reach::Account, Provenance::Server, text))
    }

    fn raw(&self) -> MutexGuard<'_, RawMime> {
        self.raw.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raw MIME was handed out.
    pub(super) fn has_bytes(&self) {
        *self.raw() = RawMime::Came;
    }

    /// Raw MIME was refused. Whether it has been for as long as no hiccup lasts, whatever was asked for.
    pub(super) fn has_no_bytes(&self) -> bool {
        let (mut raw, mono) = (self.raw(), self.clock.now().mono);
        let (since, times) = match *raw {
            RawMime::Came => return false,
            RawMime::Refused { since, last, times } if mono.saturating_sub(last) < IN_A_ROW => {
                (since, times.saturating_add(1))
            }
            RawMime::Refused { .. } | RawMime::Unasked => (mono, 1),
        };
        *raw = RawMime::Refused { since, last: mono, times };
        times >= OFTEN && mono.saturating_sub(since) >= LASTING
    }

    /// Whether the key opened the application just now.
    pub(super) fn is_open(&self) -> bool {
        let good = *self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.is_some_and(|at| self.clock.now().mono.saturating_sub(at) < GOOD)
    }

    /// The key opens the application.
    pub(super) fn opens(&self) {
        let now = self.clock.now().mono;
        *self.good.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// A folder cannot be listed at the server behind it. Whether that was not known.
    pub(super) fn passes_over(&self, folder: &str) -> bool {
        let mut all = self.unlisted.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(folder.to_owned())
    }

    /// How many folders could not be listed whole.
    pub(super) fn unlisted(&self) -> usize {
        self.unlisted.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What it is, for people.
    pub(super) fn told(&self) -> String {
        let provider = self.provider().unwrap_or("a provider that is not told");
        let bytes = match *self.raw() {
            RawMime::Unasked => "",
            RawMime::Came => ", which hands out raw MIME",
            RawMime::Refused { .. } => {
                ", which refused raw MIME: if it goes on so, messages are kept as what is told of them"
            }
        };
        format!("{provider}{bytes}")
    }
}
