//! The parts of a mail, by their numbers.

use crate::mime::head::{Disposition, Head};
use std::ops::Range;

/// A text of no more octets is none: two line breaks. Many mails have such a one beside their HTML.
const BLANK: u64 = 4;

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Octets.
    Leaf,
    /// Parts between delimiters.
    Multipart,
    /// A mail of its own: its one part is that mail's header and body.
    Mail,
}

/// A part of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The part it lies in, by its place in [`Structure::parts`].
    pub parent: Option<usize>,
    /// Its place among the parts of its multipart, from 1; 0 is a mail's own.
    pub ordinal: u32,
    /// What it is.
    pub kind: Kind,
    /// What its header says.
    pub head: Head,
    /// Octets of its header in the mail, with the blank line.
    pub header: Range<u64>,
    /// Octets of its body in the mail, as they are encoded.
    pub body: Range<u64>,
}

impl Part {
    pub(super) fn begin(parent: Option<usize>, ordinal: u32, start: u64) -> Self {
        let head = Head::default();
        Self { parent, ordinal, kind: Kind::Leaf, head, header: start..start, body: start..start }
    }

    /// Whether it is shown as the mail's text: neither a file nor said to be one.
    fn is_text(&self) -> bool {
        // What is all of a mail is its text, whatever it is called.
        let is_shown = matches!(self.head.media_type.as_str(), "text/plain" | "text/html")
            && self.head.disposition != Disposition::Attachment
            && (self.head.name.is_none() || self.parent.is_none());
        // What was to have parts, and has none.
        let is_failed = self.kind == Kind::Leaf && self.head.is_multipart();
        is_shown || is_failed
    }
}

/// All parts of a mail, each behind the one that it lies in and those in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// The mail itself first.
    pub parts: Vec<Part>,
    /// It is not as it should be, or more than is looked at: what was found stands.
    pub is_lenient: bool,
}

impl Structure {
    /// A part's number as IMAP has it (RFC 9051, 6.4.5.1); none for the parts of a mail taken together.
    #[must_use]
    pub fn number(&self, part: usize) -> Option<String> {
        let mut ordinals = Vec::new();
        let mut next = Some(part);
        while let Some(part) = next.and_then(|at| self.parts.get(at)) {
            match part.ordinal {
                0 if part.kind == Kind::Multipart => {
                    if ordinals.is_empty() {
                        return None;
                    }
                }
                0 => ordinals.push(1),
                ordinal => ordinals.push(ordinal),
            }
            next = part.parent;
        }
        let numbers: Vec<String> = ordinals.iter().rev().map(u32::to_string).collect();
        (!numbers.is_empty()).then(|| numbers.join("."))
    }

    /// The part of a number.
    #[must_use]
    pub fn numbered(&self, number: &str) -> Option<usize> {
        let mut at = 0;
        let mut ordinals = number.split('.').map(str::parse::<u32>).peekable();
        loop {
            let part = self.parts.get(at)?;
            match part.kind {
                Kind::Multipart => {
                    let wanted = ordinals.next()?.ok()?;
                    at = self.children(at).find(|(_, child)| child.ordinal == wanted)?.0;
                }
                // A mail that is all octets is part 1 of itself.
                _ if part.ordinal == 0 => (ordinals.next()?.ok()? == 1).then_some(())?,
                _ => {}
            }
            let part = self.parts.get(at)?;
            if ordinals.peek().is_none() {
                return Some(at);
            }
            match part.kind {
                Kind::Leaf => return None,
                Kind::Multipart => {}
                Kind::Mail => at = self.children(at).next()?.0,
            }
        }
    }

    /// The parts that lie in one, each with its place.
    fn children(&self, of: usize) -> impl DoubleEndedIterator<Item = (usize, &Part)> {
        let behind = self.parts.iter().enumerate().skip(of + 1);
        behind.filter(move |(_, part)| part.parent == Some(of))
    }

    /// The files in it, and whatever else is not shown as its text. A mail in it is one file, whatever lies
    /// in that.
    pub fn attachments(&self) -> impl Iterator<Item = (usize, &Part)> {
        let mut in_mail = vec![false; self.parts.len()];
        for (n, part) in self.parts.iter().enumerate() {
            let around =
                part.parent.and_then(|of| Some((self.parts.get(of)?.kind, *in_mail.get(of)?)));
            let is_in = around.is_some_and(|(kind, is_in)| is_in || kind == Kind::Mail);
            if let Some(of) = in_mail.get_mut(n) {
                *of = is_in;
            }
        }
        let own = self.parts.iter().enumerate().zip(in_mail).filter(|(_, is_in)| !is_in);
        own.map(|(part, _)| part)
            .filter(|(_, part)| part.kind != Kind::Multipart && !part.is_text())
    }

    /// The parts that are read as the mail's text, in their order: of alternatives the plain one unless it is
    /// blank, else the last.
    #[must_use]
    pub fn text(&self) -> Vec<usize> {
        self.shown("text/plain")
    }

    /// The same, as HTML where there is any.
    #[must_use]
    pub fn html(&self) -> Vec<usize> {
        self.shown("text/html")
    }

    fn shown(&self, preferred: &str) -> Vec<usize> {
        let children = self.by_parent();
        // What a part shows is known before what it lies in is asked: from the last to the first.
        let mut shown: Vec<Shown> = Vec::new();
        shown.resize_with(self.parts.len(), Shown::default);
        for (n, part) in self.parts.iter().enumerate().rev() {
            let inner = children.get(n).map_or(&[][..], Vec::as_slice);
            let mut of =
                |child: usize| shown.get_mut(child).map(std::mem::take).unwrap_or_default();
            let all = match (part.kind, part.head.media_type.as_str()) {
                (Kind::Leaf, _) if part.is_text() => {
                    let is_blank = part.body.end - part.body.start <= BLANK;
                    let is_preferred = part.head.media_type == preferred && !is_blank;
                    Shown { is_preferred, parts: vec![n] }
                }
                (Kind::Leaf | Kind::Mail, _) => Shown::default(),
                (_, "multipart/alternative") => {
                    let each: Vec<Shown> = inner.iter().map(|child| of(*child)).collect();
                    let best = each.iter().position(|one| one.is_preferred);
                    let best = best.or_else(|| each.iter().rposition(|one| !one.parts.is_empty()));
                    best.and_then(|best| each.into_iter().nth(best)).unwrap_or_default()
                }
                _ => inner.iter().map(|child| of(*child)).fold(Shown::default(), Shown::and),
            };
            if let Some(slot) = shown.get_mut(n) {
                *slot = all;
            }
        }
        shown.into_iter().next().map(|all| all.parts).unwrap_or_default()
    }

    fn by_parent(&self) -> Vec<Vec<usize>> {
        let mut children = vec![Vec::new(); self.parts.len()];
        for (n, part) in self.parts.iter().enumerate() {
            if let Some(of) = part.parent.and_then(|of| children.get_mut(of)) {
                of.push(n);
            }
        }
        children
    }
}

/// What is shown of a part.
#[derive(Debug, Default)]
struct Shown {
    parts: Vec<usize>,
    /// Some of it is of the type that is asked for.
    is_preferred: bool,
}

impl Shown {
    fn and(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self.is_preferred |= other.is_preferred;
        self
    }
}
