//! The door for what a provider tells by itself, from outside a session: pushes. Only `provider/*/push.rs` knows what one
//! looks like; whoever takes it asks here whether it is believed, and what it tells.

use crate::provider::coming::Coming;
use postrider_core::plain::PlainText;
use postrider_core::provider::push::PushHint;
use reqwest::header::HeaderMap;

/// Why a push is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushRefusal {
    /// It is not from whom it says, or nothing says from whom it is.
    Unsigned(&'static str),
    /// Whether it is cannot be told now.
    Unjudged(PlainText),
    /// It is, and cannot be read.
    Unreadable(&'static str),
}

/// What a push tells: a hint, never the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Of whose mailbox: the user's name at the provider.
    pub username: String,
    /// What is meant by it.
    pub hint: PushHint,
    /// The state that it tells of, where it tells of one.
    pub state: Option<String>,
}

/// Who pushes.
pub trait PushSource: std::fmt::Debug + Send + Sync {
    /// The provider's word: whose accounts are meant, and its name in paths and metrics.
    fn kind(&self) -> &'static str;

    /// Whether it is from whom it says, by its head and its octets as they came.
    ///
    /// # Errors
    /// [`PushRefusal::Unsigned`], [`PushRefusal::Unjudged`] within 5 s.
    fn verify<'a>(
        &'a self,
        head: &'a HeaderMap,
        octets: &'a [u8],
    ) -> Coming<'a, Result<(), PushRefusal>>;

    /// What it tells; asked only of what is believed.
    ///
    /// # Errors
    /// [`PushRefusal::Unreadable`].
    fn read(&self, octets: &[u8]) -> Result<Pushed, PushRefusal>;

    /// Whether a mailbox whose stored cursor is this has seen what a push tells.
    fn is_known(&self, state: &str, cursor: &str) -> bool;
}
