//! Where the parts of a mail lie, read as its octets pass: what is kept is of its parts, not of its length.
//!
//! Parts are found as RFC 2046 has them, in mail as it is: lines end with LF, with or without CR; a delimiter is
//! a line of its own, of whichever multipart around it that is not closed; one that is never closed goes on to the
//! end of what it lies in; a line in a header that is no field is passed over, but where no field came before it,
//! and then there is no header.

use crate::mime::head::Head;
use crate::mime::structure::{Kind, Part, Structure};
use memchr::{memchr, memmem};

/// Parts of a mail that are looked at; what follows lies in none.
pub const PARTS_MOST: usize = 10_000;
/// Multiparts and mails inside each other that are looked into; what is deeper has no parts.
pub const DEPTH_MOST: usize = 50;
/// The fields that say what a part is.
const FIELDS: [&[u8]; 4] =
    [b"content-type", b"content-disposition", b"content-transfer-encoding", b"content-id"];
/// Octets of them that are read.
pub const HEADER_MOST: usize = 64 * 1024;
/// A header that is longer is not as it should be.
const HEADER_USUAL: u64 = 1024 * 1024;
/// A longer boundary is none.
const BOUNDARY_MOST: usize = 256;
/// Octets at the beginning of a line that show what it is.
const LINE_MOST: usize = 1024;

/// Reads a mail's structure as its octets are fed, in pieces of any length.
#[derive(Debug)]
pub struct Scanner {
    parts: Vec<Part>,
    is_lenient: bool,
    /// The parts around what is read now, the mail itself first.
    levels: Vec<Level>,
    at: At,
    header: HeaderRead,
    line: Line,
}

/// A part that is not over.
#[derive(Debug)]
struct Level {
    part: usize,
    holds: Holds,
}

/// What lies in a part.
#[derive(Debug)]
enum Holds {
    /// Nothing that is looked at.
    Octets,
    /// A mail.
    Mail,
    /// Parts between delimiters.
    Parts { boundary: Vec<u8>, children: u32, is_closed: bool, is_digest: bool },
}

/// Where in a part it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Header,
    /// A body, or what lies in no part: in front of the first delimiter, behind the last.
    Body,
}

/// The header that is being read.
#[derive(Debug, Default)]
struct HeaderRead {
    /// Fields that say what the part is.
    octets: Vec<u8>,
    has_field: bool,
    /// Which of them were there: of two the first counts.
    seen: [bool; FIELDS.len()],
    /// The field that is being read is one of them.
    is_kept: bool,
}

impl HeaderRead {
    /// A field begins.
    fn begin(&mut self, line: &[u8]) {
        let name = memchr(b':', line).and_then(|colon| line.get(..colon)).unwrap_or_default();
        let name = name.trim_ascii_end();
        let is_it = |(field, _): &(&&[u8], &mut bool)| name.eq_ignore_ascii_case(field);
        let field = FIELDS.iter().zip(&mut self.seen).find(is_it);
        self.is_kept = field.is_some_and(|(_, seen)| !std::mem::replace(seen, true));
    }

    /// Takes more of a field. Returns whether there was room.
    fn take(&mut self, octets: &[u8]) -> bool {
        let room = if self.is_kept { HEADER_MOST.saturating_sub(self.octets.len()) } else { 0 };
        self.octets.extend_from_slice(octets.get(..room).unwrap_or(octets));
        !self.is_kept || octets.len() <= room
    }
}

/// The line that is being read.
#[derive(Debug, Default)]
struct Line {
    /// Its first octets, while it is not known what it is.
    begun: Vec<u8>,
    /// It is known: what comes until its end is more of it.
    is_known: bool,
    /// Its first octet in the mail.
    start: u64,
    /// Octets of the line break in front of it.
    ends_before: u64,
    /// The octet before the next one, and how many have passed.
    last: u8,
    passed: u64,
}

impl Line {
    /// Octets pass; at the end of a line the next one begins.
    fn pass(&mut self, octets: &[u8]) {
        self.passed += octets.len() as u64;
        let Some((last, before)) = octets.split_last() else { return };
        if *last == b'\n' {
            let before = *before.last().unwrap_or(&self.last);
            self.ends_before = 1 + u64::from(before == b'\r');
            self.start = self.passed;
            self.is_known = false;
        }
        self.last = *last;
    }
}

/// A line that is known.
#[derive(Clone, Copy)]
struct Known<'a> {
    octets: &'a [u8],
    start: u64,
    ends_before: u64,
    /// Where the next one begins, if it is whole.
    next: u64,
}

impl Default for Scanner {
    fn default() -> Self {
        let mut scanner = Self {
            parts: Vec::new(),
            is_lenient: false,
            levels: Vec::new(),
            at: At::Header,
            header: HeaderRead::default(),
            line: Line::default(),
        };
        scanner.begin_part(0, 0);
        scanner
    }
}

impl Scanner {
    /// The next octets of the mail.
    pub fn feed(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let count = if self.line.is_known || self.is_plain(octets) {
                self.pass(octets)
            } else {
                self.begin_line(octets)
            };
            octets = octets.get(count..).unwrap_or_default();
        }
    }

    /// There are no more.
    #[must_use]
    pub fn finish(mut self) -> Structure {
        if !self.line.begun.is_empty() {
            let octets = std::mem::take(&mut self.line.begun);
            let Line { start, ends_before, passed: next, .. } = self.line;
            self.know(Known { octets: &octets, start, ends_before, next });
        }
        let end = self.line.passed;
        if self.at == At::Header {
            self.end_header(end);
        }
        while let Some(level) = self.levels.pop() {
            self.end_part(&level, end);
        }
        Structure { parts: self.parts, is_lenient: self.is_lenient }
    }

    /// Whether a line that begins so is neither a delimiter nor of a header.
    fn is_plain(&self, octets: &[u8]) -> bool {
        self.at == At::Body && self.line.begun.is_empty() && octets.first() != Some(&b'-')
    }

    /// More of a line of which it is known what it is, and further lines that are plain; how many octets.
    fn pass(&mut self, octets: &[u8]) -> usize {
        let count = match self.at {
            At::Header => memchr(b'\n', octets).map_or(octets.len(), |at| at + 1),
            At::Body => match memmem::find(octets, b"\n--") {
                Some(at) => at + 1,
                None if octets.ends_with(b"\n-") => octets.len() - 1,
                None => octets.len(),
            },
        };
        let passing = octets.get(..count).unwrap_or(octets);
        if self.at == At::Header {
            self.is_lenient |= !self.header.take(passing);
        }
        self.line.is_known = true;
        self.line.pass(passing);
        count
    }

    /// The beginning of a line, until it is known what it is; how many octets.
    fn begin_line(&mut self, octets: &[u8]) -> usize {
        let room = LINE_MOST - self.line.begun.len();
        let piece = octets.get(..room).unwrap_or(octets);
        let end = memchr(b'\n', piece).map(|at| at + 1);
        let count = end.unwrap_or(piece.len());
        let piece = piece.get(..count).unwrap_or(piece);
        let (start, ends_before) = (self.line.start, self.line.ends_before);
        self.line.begun.extend_from_slice(piece);
        self.line.pass(piece);
        if end.is_some() || self.line.begun.len() >= LINE_MOST {
            let mut begun = std::mem::take(&mut self.line.begun);
            self.line.is_known = end.is_none();
            self.know(Known { octets: &begun, start, ends_before, next: self.line.passed });
            begun.clear();
            self.line.begun = begun;
        }
        count
    }

    /// What a line is.
    fn know(&mut self, line: Known<'_>) {
        if let Some((level, closes)) = self.delimited(line.octets) {
            return self.delimit(level, closes, line);
        }
        while self.at == At::Header && !self.is_of_header(line) {
            self.end_header(line.start);
            // It may be the first delimiter in what that header has begun.
            if let Some((level, closes)) = self.delimited(line.octets) {
                return self.delimit(level, closes, line);
            }
        }
    }

    /// Which multipart a line is a delimiter of, the innermost first, and whether it is its last.
    fn delimited(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.strip_prefix(b"--")?.trim_ascii_end();
        self.levels.iter().enumerate().rev().find_map(|(n, level)| match &level.holds {
            Holds::Parts { boundary, is_closed: false, .. } => {
                let behind = line.strip_prefix(boundary.as_slice())?;
                (behind.is_empty() || behind == b"--").then_some((n, !behind.is_empty()))
            }
            _ => None,
        })
    }

    /// What was in the multipart is over, and it goes on or is closed.
    fn delimit(&mut self, level: usize, closes: bool, line: Known<'_>) {
        if self.at == At::Header {
            self.end_header(line.start);
        }
        // The line break in front of a delimiter is the delimiter's.
        let mut end = line.start.saturating_sub(line.ends_before);
        while self.levels.len() > level + 1 {
            if let Some(inner) = self.levels.pop() {
                end = self.end_part(&inner, end);
            }
        }
        self.at = At::Body;
        let around = self.levels.last_mut().map(|level| &mut level.holds);
        let Some(Holds::Parts { children, is_closed, .. }) = around else { return };
        if closes {
            *is_closed = true;
        } else {
            *children = children.saturating_add(1);
            let ordinal = *children;
            self.begin_part(ordinal, line.next);
        }
    }

    /// A part begins with its header, in the innermost of those that are not over.
    fn begin_part(&mut self, ordinal: u32, start: u64) {
        if self.parts.len() >= PARTS_MOST {
            self.is_lenient = true;
            return;
        }
        let parent = self.levels.last().map(|level| level.part);
        self.levels.push(Level { part: self.parts.len(), holds: Holds::Octets });
        self.parts.push(Part::begin(parent, ordinal, start));
        self.header = HeaderRead::default();
        self.at = At::Header;
    }

    /// Takes a line of a header; whether it is one. The empty line behind a header ends it.
    fn is_of_header(&mut self, line: Known<'_>) -> bool {
        if matches!(line.octets, b"\n" | b"\r\n" | b"\r") {
            self.end_header(line.next);
            return true;
        }
        let is_field = is_field(line.octets);
        let is_folded = matches!(line.octets.first(), Some(b' ' | b'\t'));
        // A mail of an mbox begins with a line of its file.
        let is_of_mbox = !self.header.has_field
            && (line.octets.starts_with(b"From ") || line.octets.starts_with(b">From "));
        if !is_field && !is_of_mbox && (!self.header.has_field || line.octets.starts_with(b"--")) {
            self.is_lenient = true;
            return false;
        }
        self.header.has_field = true;
        if !is_folded {
            self.header.begin(line.octets);
            self.is_lenient |= !is_field && !is_of_mbox;
        }
        self.is_lenient |= !self.header.take(line.octets);
        true
    }

    /// A header is over: its part says what lies in it.
    fn end_header(&mut self, body: u64) {
        self.at = At::Body;
        let header = std::mem::take(&mut self.header);
        let is_deep = self.levels.len() > DEPTH_MOST;
        let is_last = self.parts.len() >= PARTS_MOST;
        let around = self.levels.iter().nth_back(1).map(|level| &level.holds);
        let in_digest = matches!(around, Some(Holds::Parts { is_digest: true, .. }));
        let Some(level) = self.levels.last_mut() else { return };
        let Some(part) = self.parts.get_mut(level.part) else { return };
        let (head, boundary) = Head::read(&header.octets, in_digest);
        let (has_parts, has_mail) = (head.is_multipart(), head.is_mail());
        let is_digest = head.media_type == "multipart/digest";
        part.header.end = body;
        self.is_lenient |= body - part.header.start > HEADER_USUAL;
        part.body = body..body;
        part.head = head;
        let boundary = boundary.filter(|of| !of.is_empty() && of.len() <= BOUNDARY_MOST);
        let boundary = boundary.filter(|_| has_parts && !is_deep);
        self.is_lenient |= has_parts && boundary.is_none();
        if let Some(boundary) = boundary {
            part.kind = Kind::Multipart;
            level.holds = Holds::Parts { boundary, children: 0, is_closed: false, is_digest };
        } else if has_mail && !is_deep && !is_last {
            part.kind = Kind::Mail;
            level.holds = Holds::Mail;
            self.begin_part(0, body);
        } else {
            self.is_lenient |= has_mail;
        }
    }

    /// A part ends here, or where its body would begin; returns where.
    fn end_part(&mut self, level: &Level, end: u64) -> u64 {
        let Some(part) = self.parts.get_mut(level.part) else { return end };
        part.body.end = end.max(part.body.start);
        if let Holds::Parts { children, is_closed, .. } = &level.holds {
            self.is_lenient |= !is_closed;
            if *children == 0 {
                part.kind = Kind::Leaf;
            }
        }
        part.body.end
    }
}

/// Whether a line begins with a name and a colon. RFC 5322, 2.2 and 4.5 (blanks in front of the colon).
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = memchr(b':', line) else { return false };
    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}
