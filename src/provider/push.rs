//! The door for what a provider tells by itself, from outside a session: pushes. Only `provider/*/push.rs` knows what one
//! looks like; whoever takes it asks here whether it is believed, and what it tells.

use crate::provider::coming::Coming;
use postrider_core::commit::change::feed::Hinted;
use postrider_core::failure::Failure;
use postrider_core::plain::PlainText;
use postrider_core::provider::push::PushHint;
use postrider_core::provider::server::AskedPush;
use reqwest::header::HeaderMap;
use std::io::Read;
use std::sync::Arc;

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
    /// Of whom.
    pub about: PushAbout,
    /// What is meant by it.
    pub hint: PushHint,
    /// What is to be written down before it is answered; nothing where each look sees it by itself.
    pub told: Option<ToldPush>,
}

/// Whose mailbox a push is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushAbout {
    /// The one of this user.
    Mailbox {
        /// The user's name at the provider.
        username: String,
        /// The state that it tells of, where it tells of one.
        state: Option<String>,
    },
    /// The one that was granted so to the application that pushes.
    Grant(String),
}

/// What is written down of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldPush {
    /// What the provider calls it: what comes twice is one.
    pub event: String,
    /// What is to be asked about.
    pub hinted: Hinted,
}

/// What is said to who asks whether somebody is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushChallenge {
    /// These words, exactly.
    Answer(String),
    /// It is no such question.
    Refused,
}

/// Who pushes.
pub trait PushSource: std::fmt::Debug + Send + Sync {
    /// The provider's word: whose accounts are meant.
    fn kind(&self) -> &'static str;

    /// Its name in paths and metrics.
    fn name(&self) -> &str {
        self.kind()
    }

    /// Where it pushes for the accounts of one application alone: which.
    fn application(&self) -> Option<&str> {
        None
    }

    /// What it tells, if that is of any use; asked only of what is believed.
    ///
    /// # Errors
    /// [`PushRefusal::Unreadable`].
    fn read(&self, from: &mut dyn Read) -> Result<Option<Pushed>, PushRefusal>;

    /// Whether it takes 200 alone for an answer, and not what says that there is nothing to say.
    fn wants_ok(&self) -> bool {
        false
    }

    /// What is answered to a question with this query; nothing where no questions are taken.
    fn challenged(&self, _query: &str) -> Option<PushChallenge> {
        None
    }

    /// Whether a mailbox whose stored cursor is this has seen what a push tells.
    fn is_known(&self, state: &str, cursor: &str) -> bool;
}

/// Who says whether what is sent here is believed.
pub trait PushJudge: std::fmt::Debug + Send + Sync {
    /// Whether it is from whom it says, by its head and its octets as they came.
    ///
    /// # Errors
    /// [`PushRefusal::Unsigned`], [`PushRefusal::Unjudged`] within 5 s.
    fn verify<'a>(
        &'a self,
        head: &'a HeaderMap,
        octets: &'a [u8],
    ) -> Coming<'a, Result<(), PushRefusal>>;
}

/// Who is told what pushes are signed with, where that is asked for.
pub trait PushSigner: std::fmt::Debug + Send + Sync {
    /// With this, from now on; none: nothing is believed, nor refused for good.
    fn signs_with(&self, secret: Option<&str>);
}

/// The webhook of an application, which is asked for.
#[derive(Clone, Debug)]
pub struct AskedWebhook {
    /// Whose accounts it is for, where it is sent to, and where it is asked for.
    pub place: Box<AskedPush>,
    /// Who is told what it signs with.
    pub signer: Arc<dyn PushSigner>,
}

/// What lies in a queue.
#[derive(Debug)]
pub struct Queued {
    /// What it is acknowledged by.
    pub receipt: String,
    /// What it is.
    pub octets: Vec<u8>,
}

/// A queue that what is pushed is taken from.
pub trait PushQueue: std::fmt::Debug + Send + Sync {
    /// Its name.
    fn name(&self) -> &str;

    /// Waits for what comes, two minutes at most: nothing, then.
    ///
    /// # Errors
    /// Network, timeout, and whatever the server's words mean.
    ///
    /// # Cancel safety
    /// What was taken and is not acknowledged comes again.
    fn pull(&self) -> Coming<'_, Result<Vec<Queued>, Failure>>;

    /// Done with: these come no more.
    ///
    /// # Errors
    /// As [`PushQueue::pull`]; then some of them come again.
    fn acknowledge(&self, receipts: Vec<String>) -> Coming<'_, Result<(), Failure>>;
}

/// Who pushes, and how it comes.
#[derive(Clone, Debug)]
pub struct PushPort {
    /// Who.
    pub source: Arc<dyn PushSource>,
    /// How.
    pub entry: PushEntry,
    /// What it is asked for.
    pub webhook: Option<AskedWebhook>,
}

/// How what is pushed comes.
#[derive(Clone, Debug)]
pub enum PushEntry {
    /// It is sent here.
    Sent(Arc<dyn PushJudge>),
    /// It is asked for.
    Pulled(Arc<dyn PushQueue>),
}
