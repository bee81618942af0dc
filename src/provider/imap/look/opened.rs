//! The folder that is open on a session, and what was told of it without being asked for.

use crate::provider::imap::hints::touched::Touched;
use crate::provider::imap::wire::response::Response;
use postrider_core::mail::folder::WireName;
use postrider_core::provider::folders::Examined;
use postrider_core::provider::watch::Hint;

/// What EXAMINE said of the folder that is open, and how many messages it has by now.
#[derive(Debug)]
pub(in crate::provider::imap) struct Selected {
    pub(in crate::provider::imap) remote_id: WireName,
    pub(in crate::provider::imap) examined: Examined,
    pub(in crate::provider::imap) exists: u32,
}

/// The folder that is open.
#[derive(Debug, Default)]
pub(in crate::provider::imap) struct OpenFolder {
    selected: Option<Selected>,
    /// A folder was opened on this session, refused by us or not: until the next says where its answer begins,
    /// what comes may be of the one before.
    has_opened: bool,
    /// What was told of it without being asked for.
    unasked: Option<Hint>,
    /// Of which messages flags were told so.
    touched: Touched,
    /// The question that is open asks for flags: lines of them are its answer.
    asks_flags: bool,
}

impl OpenFolder {
    pub(in crate::provider::imap) fn selected(&self) -> Option<&Selected> {
        self.selected.as_ref()
    }

    /// How many messages it has.
    pub(in crate::provider::imap) fn exists(&self) -> u32 {
        self.selected.as_ref().map_or(0, |selected| selected.exists)
    }

    /// None is open, and another is being opened. Returns whether one was opened before on this session.
    pub(in crate::provider::imap) fn open(&mut self) -> bool {
        self.selected = None;
        std::mem::replace(&mut self.has_opened, true)
    }

    /// What was told belongs to the one before.
    pub(in crate::provider::imap) fn forget(&mut self) {
        (self.unasked, self.touched) = (None, Touched::default());
    }

    /// It is open.
    pub(in crate::provider::imap) fn opened(&mut self, selected: Selected) {
        self.selected = Some(selected);
    }

    /// It is closed.
    pub(in crate::provider::imap) fn close(&mut self) {
        self.selected = None;
    }

    /// Whether the question that is open asks for flags. Returns what was so before.
    pub(in crate::provider::imap) fn asks_flags(&mut self, asks: bool) -> bool {
        std::mem::replace(&mut self.asks_flags, asks)
    }

    /// Hears what is told of it.
    pub(in crate::provider::imap) fn hear(&mut self, response: &Response) {
        match (response, &mut self.selected) {
            (Response::Exists(n), Some(selected)) => {
                selected.exists = *n;
                self.unasked = Some(Hint::Counts);
            }
            (Response::Expunge(_), Some(selected)) => {
                selected.exists = selected.exists.saturating_sub(1);
                self.unasked = Some(Hint::Counts);
                self.touched.hear(response);
            }
            (Response::Vanished { earlier: false, uids }, Some(selected)) => {
                let gone = u32::try_from(uids.len()).unwrap_or(u32::MAX);
                selected.exists = selected.exists.saturating_sub(gone);
                self.unasked = Some(Hint::Counts);
                self.touched.hear(response);
            }
            // An answer to one of our questions names its UID; where UIDs are told of everything, it
            // tells more than flags, or was asked for them.
            (Response::Fetch(line), _)
                if line.uid.is_none()
                    || !line.closed
                    || (!self.asks_flags && line.is_of_flags()) =>
            {
                self.unasked.get_or_insert(Hint::Flags);
                self.touched.hear(response);
            }
            _ => {}
        }
    }

    /// Whether flags were told without being asked for.
    pub(in crate::provider::imap) fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Of which messages, so far.
    pub(in crate::provider::imap) fn touched(&mut self) -> &mut Touched {
        &mut self.touched
    }

    /// What was told without being asked for, but for the messages.
    pub(in crate::provider::imap) fn take_unasked(&mut self) -> Option<Hint> {
        self.unasked.take()
    }

    /// So much is still to be looked at.
    pub(in crate::provider::imap) fn leave_unasked(&mut self, hint: Option<Hint>) {
        self.unasked = hint;
    }

    /// Its counters are these now.
    pub(in crate::provider::imap) fn counted(&mut self, examined: Examined) {
        if let Some(selected) = &mut self.selected {
            selected.examined = examined;
        }
    }

    /// The same, taken. A look at flags sees what came or went, too.
    pub(in crate::provider::imap) fn take_hint(&mut self) -> Option<Hint> {
        let flags = (!self.touched.is_empty()).then_some(Hint::Flags);
        let counts = self.unasked.take();
        flags.or(counts)
    }
}
