//! What providers have pushed, as it is written down: what is to be asked about because of it, and that it came.

use postrider_core::commit::change::feed::Hinted;
use postrider_core::time::Micros;

/// Something that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// What the provider calls it: what comes twice is one.
    pub event: String,
    /// Whose it is, by their ids in the config, and those that they had before.
    pub accounts: Vec<String>,
    /// Who was refused is to ask whether that is so still, the next process, too.
    pub asks_grant: bool,
    /// What it tells of them.
    pub hinted: Hinted,
}

/// What is written of what is pushed.
#[derive(Clone, Debug)]
pub enum InboundWork {
    /// It came from this source.
    Came(String, Vec<Inbound>),
    /// What came before then is kept no longer: a part of it, and nothing where there is no more.
    Forget(Micros),
}
