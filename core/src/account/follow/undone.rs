//! What the last run has left undone, as it is told until the next one.

use super::Follower;
use crate::run::summary::Summary;

impl Follower {
    /// What is left undone, in words; empty when nothing is.
    pub(super) fn undone_in_words(&self) -> String {
        match self.mailbox.stalled_folders() {
            0 => self.left.clone(),
            n => format!("{n} folder(s) stand still"),
        }
    }

    /// What a run has left undone: it is true until the next one. That history waits is told
    /// by states of their own.
    pub(super) fn learn_undone(&mut self, summary: &Summary) {
        let waits = usize::from(summary.deferred.is_some() || summary.put_off);
        self.left = match summary.left.as_slice() {
            [first, more @ ..] if more.len() > waits => {
                format!("{first} (and {} more)", more.len() - waits)
            }
            [first, more @ ..] if more.len() == waits => first.clone(),
            _ => String::new(),
        };
    }
}
