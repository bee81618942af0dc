//! A message of a page that is being read: its bytes are on their way to the disk.

use crate::provider::imap::wire::response::FetchLine;
use postrider_core::failure::Failure;
use postrider_core::mail::body::BodyRef;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::Identity;
use postrider_core::mail::message::Fetched;
use postrider_core::mail::page::PageRow;
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::mime::HeaderFacts;
use postrider_core::time::Micros;

/// A message whose bytes are in the sink and not sealed.
pub(in crate::provider::imap) struct Meta {
    pub(in crate::provider::imap) uid: u32,
    pub(in crate::provider::imap) line: FetchLine,
    pub(in crate::provider::imap) length: u64,
    pub(in crate::provider::imap) header: HeaderFacts,
}

impl Meta {
    /// Octets of its texts.
    pub(in crate::provider::imap) fn row_octets(&self) -> u64 {
        let flags = self.line.flags.as_ref().map_or(0, |flags| flags.as_str().len());
        let thread = self.line.thread.as_ref().map_or(0, String::len);
        self.header.octets() + (flags + thread) as u64
    }
}

/// What a line says of the message's name.
pub(in crate::provider::imap) fn name_of(
    line: &FetchLine,
    names: IdentityKind,
) -> Option<Identity> {
    names.identity(line.id.as_deref()?)
}

/// A message of a page.
pub(in crate::provider::imap) enum Row {
    /// One that we hold.
    Held(Fetched),
    /// One whose bytes were read.
    Came(Came),
}

/// What is known of a message before its bytes are durable.
pub(in crate::provider::imap) struct Came {
    uid: u32,
    /// The number that the page knows its body by.
    number: u64,
    /// Where the server names it.
    identity: Option<Identity>,
    flags: Flags,
    modseq: Option<i64>,
    /// What the server calls its thread.
    thread: Option<String>,
    internal_date: Option<Micros>,
    header: HeaderFacts,
    announced: Option<u64>,
}

impl PageRow for Row {
    fn uid(&self) -> u32 {
        match self {
            Self::Held(fetched) => fetched.uid,
            Self::Came(came) => came.uid,
        }
    }

    fn held(&self) -> bool {
        matches!(self, Self::Held(_))
    }
}

impl Row {
    /// What a line told of a message, whose bytes have this number. Without its flags it is not
    /// told yet.
    pub(in crate::provider::imap) fn of(
        meta: Meta,
        names: IdentityKind,
        number: impl FnOnce() -> u64,
    ) -> Option<Came> {
        let Meta { uid, line, header, .. } = meta;
        let identity = name_of(&line, names);
        let thread = line.thread.as_deref().and_then(|id| names.thread(id));
        let flags = line.flags?;
        let (modseq, internal_date) = (line.modseq, line.internal_date);
        let (number, announced) = (number(), None);
        Some(Came {
            uid,
            number,
            identity,
            flags,
            modseq,
            thread,
            internal_date,
            header,
            announced,
        })
    }

    #[cfg(test)]
    pub(in crate::provider::imap) fn came(
        uid: u32,
        number: u64,
        flags: Flags,
        header: HeaderFacts,
    ) -> Self {
        let (identity, modseq, thread, internal_date, announced) = (None, None, None, None, None);
        Self::Came(Came {
            uid,
            number,
            identity,
            flags,
            modseq,
            thread,
            internal_date,
            header,
            announced,
        })
    }

    /// The message with its bytes durable: what `body` knows of their number.
    ///
    /// # Errors
    /// Class bug where it knows nothing: such a page is not told.
    pub(in crate::provider::imap) fn sealed(
        self,
        body: impl FnOnce(u64) -> Option<BodyRef>,
    ) -> Result<Fetched, Failure> {
        let came = match self {
            Self::Held(fetched) => return Ok(fetched),
            Self::Came(came) => came,
        };
        let unsealed = || Failure::bug("a page names a body that was not sealed");
        let body = body(came.number).ok_or_else(unsealed)?;
        let identity = came.identity.unwrap_or_else(|| Identity(format!("h:{}", body.hash())));
        Ok(Fetched {
            uid: came.uid,
            identity,
            body,
            flags: came.flags,
            modseq: came.modseq,
            thread: came.thread,
            internal_date: came.internal_date,
            header: came.header,
            announced: came.announced,
            held: false,
        })
    }
}

impl Came {
    /// The number that the page knows its body by.
    pub(in crate::provider::imap) fn number(&self) -> u64 {
        self.number
    }

    /// Of a length that is not the one announced, where that is an estimate.
    pub(in crate::provider::imap) fn unlike(self, announced: u64) -> Self {
        Self { announced: Some(announced), ..self }
    }
}
