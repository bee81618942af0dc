//! Responses: what a frame says, as far as we ask. Everything else is `Other` and harms nothing.

use crate::provider::imap::wire::date;
use crate::provider::imap::wire::frame::{Frame, Part};
use crate::provider::imap::wire::token::{Lexeme, Lexemes};
use postrider_core::mail::flags::Flags;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::time::Micros;
use std::collections::BTreeMap;

/// As much of a server's text is kept, in characters.
const TEXT_LIMIT: usize = 4096;
/// Flags of one message beyond this, in octets, are not told: a page has 500 messages, and a row costs
/// many times its flags until it is stored.
const FLAGS_LIMIT: usize = 8 * 1024;
/// A folder's name beyond this, in octets, cannot be read.
const NAME_LIMIT: usize = 4 * 1024;
/// Items of a STATUS.
const ITEMS: usize = 20;
/// Words of a CAPABILITY, and octets of each; what is beyond is passed over.
const CAPABILITIES: (usize, usize) = (1000, 64);

/// The word of a status response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// OK
    Ok,
    /// NO
    No,
    /// BAD
    Bad,
    /// BYE
    Bye,
    /// PREAUTH
    Preauth,
}

/// A status with its code and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The word.
    pub status: Condition,
    /// What stands in brackets, without them.
    pub code: Option<String>,
    /// The text after it.
    pub text: String,
}

/// What a FETCH line tells. `None` = not told; never "empty".
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FetchLine {
    /// The number of the message in the folder, which changes when one before it goes.
    pub number: u32,
    /// UID.
    pub uid: Option<u32>,
    /// FLAGS, as far as they can be read.
    pub flags: Option<Flags>,
    /// They cannot all be read: they are to be asked again, and only then believed.
    pub mended: bool,
    /// INTERNALDATE.
    pub internal_date: Option<Micros>,
    /// RFC822.SIZE.
    pub size: Option<u64>,
    /// MODSEQ.
    pub modseq: Option<i64>,
    /// The name that it has wherever it lies: EMAILID or X-GM-MSGID, whichever was asked for.
    pub id: Option<String>,
    /// What the server calls its thread: THREADID or X-GM-THRID.
    pub thread: Option<String>,
    /// Fields of the header.
    pub header: Option<Vec<u8>>,
    /// The body: streamed into the sink.
    pub body: Option<BodySeen>,
    /// Octets of the message were told, or that there are none, whether they are kept or not.
    pub has_bytes: bool,
    /// They are a piece, from this octet on.
    pub origin: Option<u64>,
    /// Its list was closed: else it tells nothing.
    pub closed: bool,
}

impl FetchLine {
    /// Whether it tells of flags and nothing else: so a server tells what another client did.
    #[must_use]
    pub fn is_of_flags(&self) -> bool {
        let more = self.size.is_some() || self.internal_date.is_some();
        let more = more || self.header.is_some() || self.body.is_some();
        self.flags.is_some() && !more
    }
}

/// How the body came.
#[derive(Debug, PartialEq, Eq)]
pub enum BodySeen {
    /// As a literal that is in the sink; here is its beginning.
    Streamed {
        /// Up to the end of the header.
        head: Vec<u8>,
        /// Its length.
        length: u64,
    },
    /// As a string inside the line.
    Inline(Vec<u8>),
    /// As NIL.
    Nil,
    /// As a literal that the sink refused.
    Refused(String),
}

/// A response.
#[derive(Debug, PartialEq, Eq)]
pub enum Response {
    /// `+`, and what follows it.
    Continue(String),
    /// The answer to a command.
    Tagged(String, Told),
    /// An untagged status.
    Status(Told),
    /// CAPABILITY.
    Capability(Vec<String>),
    /// LIST.
    List {
        /// Attributes.
        attributes: Vec<String>,
        /// Delimiter.
        delimiter: Option<char>,
        /// Wire name.
        name: Vec<u8>,
        /// It says what the name was before.
        renamed: bool,
    },
    /// STATUS: a folder's counters, as far as they are told.
    Counters {
        /// Wire name.
        name: Vec<u8>,
        /// By item, in capitals.
        items: BTreeMap<String, u64>,
    },
    /// EXISTS.
    Exists(u32),
    /// EXPUNGE.
    Expunge(u32),
    /// VANISHED: what went, by UID (RFC 7162 §3.2.10).
    Vanished {
        /// Before the folder was opened.
        earlier: bool,
        /// The UIDs.
        uids: UidSet,
    },
    /// FETCH.
    Fetch(FetchLine),
    /// A LIST line that cannot be read.
    BadList,
    /// Anything else.
    Other,
}

/// What follows the `+`.
fn asked(frame: &Frame) -> String {
    let Some(Part::Text(text)) = frame.parts.first() else { return String::new() };
    lossy(text).trim_start_matches('\0').trim_start_matches('+').trim().to_owned()
}

/// Reads a frame.
#[must_use]
pub fn read(frame: &Frame) -> Response {
    if frame.truncated {
        let list = matches!(frame.parts.first(), Some(Part::Text(text)) if text.get(..7) == Some(b"* LIST "));
        return if list { Response::BadList } else { Response::Other };
    }
    let mut tokens = Lexemes::new(frame);
    // Leading NULs were seen in front of responses.
    let Some(Lexeme::Atom(first)) = tokens.next() else { return Response::Other };
    let first = first.trim_ascii();
    let start = first.iter().position(|b| *b != 0).unwrap_or(first.len());
    let first = first.get(start..).unwrap_or_default();
    match first {
        b"+" => Response::Continue(asked(frame)),
        b"*" => untagged(&mut tokens),
        tag => match status_word(tokens.next()) {
            Some(status) => Response::Tagged(lossy(tag), told(status, &mut tokens)),
            None => Response::Other,
        },
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn status_word(token: Option<Lexeme<'_>>) -> Option<Condition> {
    let Some(Lexeme::Atom(word)) = token else { return None };
    [
        ("OK", Condition::Ok),
        ("NO", Condition::No),
        ("BAD", Condition::Bad),
        ("BYE", Condition::Bye),
        ("PREAUTH", Condition::Preauth),
    ]
    .into_iter()
    .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()))
    .map(|(_, status)| status)
}

/// Code and text. The text after a code may be missing (Gmail's HIGHESTMODSEQ).
fn told(status: Condition, tokens: &mut Lexemes<'_>) -> Told {
    // Bounded, and free of control characters: it is shown to people.
    let rest = lossy(tokens.rest());
    let rest: String =
        rest.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_LIMIT).collect();
    match rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((code, text)) => {
            Told { status, code: Some(code.to_owned()), text: text.trim().to_owned() }
        }
        None => Told { status, code: None, text: rest },
    }
}

fn untagged(tokens: &mut Lexemes<'_>) -> Response {
    let Some(Lexeme::Atom(word)) = tokens.next() else { return Response::Other };
    if let Some(status) = status_word(Some(Lexeme::Atom(word))) {
        return Response::Status(told(status, tokens));
    }
    let upper = word.to_ascii_uppercase();
    match upper.as_slice() {
        b"CAPABILITY" => Response::Capability(atoms(tokens)),
        b"LIST" => list(tokens).unwrap_or(Response::BadList),
        b"VANISHED" => vanished(tokens).unwrap_or(Response::Other),
        b"STATUS" => counters(tokens).unwrap_or(Response::Other),
        _ => {
            let Some(number) = Lexeme::Atom(word).number::<u32>() else { return Response::Other };
            match tokens.next() {
                Some(Lexeme::Atom(word)) if word.eq_ignore_ascii_case(b"EXISTS") => {
                    Response::Exists(number)
                }
                Some(Lexeme::Atom(word)) if word.eq_ignore_ascii_case(b"EXPUNGE") => {
                    Response::Expunge(number)
                }
                Some(Lexeme::Atom(word)) if word.eq_ignore_ascii_case(b"FETCH") => {
                    fetch(number, tokens)
                }
                _ => Response::Other,
            }
        }
    }
}

/// The capabilities in a `[CAPABILITY …]` code.
#[must_use]
pub fn capabilities_of(code: &str) -> Option<Vec<String>> {
    let (word, rest) = code.split_once(' ')?;
    word.eq_ignore_ascii_case("CAPABILITY")
        .then(|| rest.split_ascii_whitespace().map(str::to_ascii_uppercase).collect())
}

fn atoms(tokens: &mut Lexemes<'_>) -> Vec<String> {
    let name = |token| {
        if let Lexeme::Atom(atom) = token { Some(lossy(atom).to_ascii_uppercase()) } else { None }
    };
    tokens
        .filter_map(name)
        .filter(|word| word.len() <= CAPABILITIES.1)
        .take(CAPABILITIES.0)
        .collect()
}

fn list(tokens: &mut Lexemes<'_>) -> Option<Response> {
    let mut attributes = Vec::new();
    if tokens.next()? != Lexeme::Open {
        return None;
    }
    loop {
        match tokens.next()? {
            Lexeme::Close => break,
            Lexeme::Atom(atom) => attributes.push(lossy(atom).to_ascii_lowercase()),
            _ => return None,
        }
    }
    let delimiter = match tokens.next()? {
        delimiter @ (Lexeme::Quoted(_) | Lexeme::Atom(_)) => {
            delimiter.string().and_then(|d| lossy(&d).chars().next())
        }
        _ => return None,
    };
    let name = match tokens.next()? {
        // A folder may be called NIL.
        Lexeme::Atom(atom) => atom.to_vec(),
        other => other.string()?,
    };
    // What follows may be the list of extended data, which begins with a string; anything else was
    // a part of the name.
    let is_old =
        |word: Lexeme<'_>| word.string().is_some_and(|word| word.eq_ignore_ascii_case(b"OLDNAME"));
    let (ends, renamed) = match tokens.next() {
        None => (true, false),
        Some(Lexeme::Open) => match tokens.next() {
            Some(word @ (Lexeme::Quoted(_) | Lexeme::Literal(_))) => {
                (true, is_old(word) || tokens.any(is_old))
            }
            _ => (false, false),
        },
        Some(_) => (false, false),
    };
    if name.is_empty() || name.len() > NAME_LIMIT || !ends {
        return None;
    }
    Some(Response::List { attributes, delimiter, name, renamed })
}

fn vanished(tokens: &mut Lexemes<'_>) -> Option<Response> {
    let mut token = tokens.next()?;
    let earlier = token == Lexeme::Open;
    if earlier {
        let Lexeme::Atom(word) = tokens.next()? else { return None };
        if !word.eq_ignore_ascii_case(b"EARLIER") || tokens.next()? != Lexeme::Close {
            return None;
        }
        token = tokens.next()?;
    }
    let Lexeme::Atom(set) = token else { return None };
    let uids = uid_set(std::str::from_utf8(set).ok()?)?;
    tokens.next().is_none().then_some(Response::Vanished { earlier, uids })
}

/// A set of UIDs in whatever order.
fn uid_set(text: &str) -> Option<UidSet> {
    let range = |part: &str| {
        let (a, b) = part.split_once(':').unwrap_or((part, part));
        let (a, b): (u32, u32) = (a.parse().ok()?, b.parse().ok()?);
        (a > 0 && b > 0).then(|| (a.min(b), a.max(b)))
    };
    text.split(',').map(range).collect::<Option<Vec<_>>>().map(UidSet::of_ranges)
}

/// Source: RFC 3501 §7.2.4.
fn counters(tokens: &mut Lexemes<'_>) -> Option<Response> {
    let name = match tokens.next()? {
        Lexeme::Atom(atom) => atom.to_vec(),
        other => other.string()?,
    };
    if tokens.next()? != Lexeme::Open {
        return None;
    }
    let mut items = BTreeMap::new();
    loop {
        match tokens.next()? {
            Lexeme::Close => break,
            Lexeme::Atom(item) if items.len() < ITEMS => {
                let value = tokens.next()?.number()?;
                items.insert(lossy(item).to_ascii_uppercase(), value);
            }
            _ => return None,
        }
    }
    (tokens.next().is_none() && name.len() <= NAME_LIMIT)
        .then_some(Response::Counters { name, items })
}

fn fetch(number: u32, tokens: &mut Lexemes<'_>) -> Response {
    let mut line = FetchLine { number, ..FetchLine::default() };
    if tokens.next() != Some(Lexeme::Open) {
        return Response::Other;
    }
    while let Some(token) = tokens.next() {
        let name = match token {
            Lexeme::Atom(name) => name.to_ascii_uppercase(),
            Lexeme::Close => {
                line.closed = tokens.next().is_none();
                break;
            }
            // Something that is no item: the line does not end as it must.
            _ => break,
        };
        // One value is taken whole, whatever its shape; then it is judged.
        let Some(value) = value(tokens) else { break };
        match (name.as_slice(), value) {
            (b"UID", ItemValue::One(token)) => line.uid = token.number().filter(|uid| *uid > 0),
            (b"RFC822.SIZE", ItemValue::One(token)) => line.size = token.number(),
            (b"INTERNALDATE", ItemValue::One(token)) => {
                line.internal_date = token.string().and_then(|date| date::parse(&lossy(&date)));
            }
            (b"FLAGS", ItemValue::List(tokens)) => {
                let (flags, is_whole) = flags(tokens);
                (line.flags, line.mended) = (Some(flags), !is_whole);
            }
            (b"X-GM-MSGID", ItemValue::One(Lexeme::Atom(id))) => line.id = plain_id(id),
            (b"EMAILID", ItemValue::List(tokens)) => {
                line.id = match tokens.first() {
                    Some(Lexeme::Atom(id)) => plain_id(id),
                    _ => None,
                };
            }
            (b"X-GM-THRID", ItemValue::One(Lexeme::Atom(id))) => line.thread = plain_id(id),
            // NIL where the server makes no threads.
            (b"THREADID", ItemValue::List(tokens)) => {
                line.thread = match tokens.first() {
                    Some(Lexeme::Atom(id)) => plain_id(id),
                    _ => None,
                };
            }
            (b"MODSEQ", ItemValue::One(token)) => line.modseq = token.number(),
            (b"MODSEQ", ItemValue::List(tokens)) => {
                line.modseq = tokens.first().and_then(Lexeme::number)
            }
            (name, ItemValue::One(token)) if name.starts_with(b"BODY[HEADER") => {
                line.header = token.string();
            }
            (name, ItemValue::One(token)) if let Some(piece) = name.strip_prefix(b"BODY[]") => {
                (line.has_bytes, line.origin) = (true, origin(piece));
                line.body = match token {
                    Lexeme::Body(head, length) => {
                        Some(BodySeen::Streamed { head: head.to_vec(), length })
                    }
                    Lexeme::Atom(_) => Some(BodySeen::Nil),
                    Lexeme::Refused(why) => Some(BodySeen::Refused(why.to_owned())),
                    other => other.string().map(BodySeen::Inline),
                };
            }
            _ => {}
        }
    }
    Response::Fetch(line)
}

/// Where a piece begins: `<5>`, or `<5.100>`.
fn origin(piece: &[u8]) -> Option<u64> {
    let inner = piece.strip_prefix(b"<")?.strip_suffix(b">")?;
    std::str::from_utf8(inner.split(|b| *b == b'.').next()?).ok()?.parse().ok()
}

/// A message's name; one that cannot be read is none. Source: RFC 8474 §7.
fn plain_id(id: &[u8]) -> Option<String> {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (id.len() <= 255 && id.iter().all(is_plain)).then(|| lossy(id))
}

enum ItemValue<'a> {
    One(Lexeme<'a>),
    /// A list, without its parentheses.
    List(Vec<Lexeme<'a>>),
}

/// Takes one value, a list however deep; `None` when it never ends.
fn value<'a>(tokens: &mut Lexemes<'a>) -> Option<ItemValue<'a>> {
    match tokens.next()? {
        Lexeme::Close => None,
        Lexeme::Open => {
            let (mut list, mut depth) = (Vec::new(), 1_usize);
            loop {
                match tokens.next()? {
                    Lexeme::Open => depth += 1,
                    Lexeme::Close => depth -= 1,
                    token => list.push(token),
                }
                if depth == 0 {
                    return Some(ItemValue::List(list));
                }
            }
        }
        token => Some(ItemValue::One(token)),
    }
}

/// Flags; and whether that is all of them. What holds control characters, is no name, or is beyond
/// what a message may have, is left out.
fn flags(tokens: Vec<Lexeme<'_>>) -> (Flags, bool) {
    let (mut names, mut octets, mut is_whole) = (Vec::new(), 0, true);
    for token in tokens {
        let name = match token {
            Lexeme::Atom(atom) => lossy(atom),
            Lexeme::Quoted(name) => lossy(&name).replace(' ', "_"),
            _ => String::new(),
        };
        let is_one = !name.is_empty() && !name.chars().any(char::is_control);
        if is_one && octets + name.len() <= FLAGS_LIMIT {
            octets += name.len();
            names.push(name);
        } else {
            is_whole = false;
        }
    }
    (Flags::new(names.iter().map(String::as_str)), is_whole)
}

#[cfg(test)]
mod tests;
