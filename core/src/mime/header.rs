//! What the header of a mail says of people and of other mails.

use crate::mime::encoded_word::bounded;
use crate::mime::head::is_unseen;
use mail_parser::{Address, HeaderName, HeaderValue, Message, MessageParser};
use std::sync::LazyLock;

/// People of a mail that are named; the rest are counted.
pub const PEOPLE_MOST: usize = 1000;
/// Ids of other mails at each end of References that are looked at.
pub const REFERENCES_MOST: usize = 50;
/// A longer id, address or name is cut to nothing, or to this, in octets.
const WORD_MOST: usize = 998;

/// As what somebody is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PersonRole {
    /// Who wrote it.
    From,
    /// Whom an answer is to go to.
    ReplyTo,
    /// To whom it goes.
    To,
    /// Who gets a copy.
    Cc,
    /// Who gets one that the others do not see.
    Bcc,
}

impl PersonRole {
    const NAMES: [(Self, &'static str); 5] = [
        (Self::From, "from"),
        (Self::ReplyTo, "reply_to"),
        (Self::To, "to"),
        (Self::Cc, "cc"),
        (Self::Bcc, "bcc"),
    ];

    /// As it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(role, _)| *role == self).map_or("", |(_, name)| *name)
    }

    /// What is stored so.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, stored)| *stored == name).map(|(role, _)| *role)
    }
}

/// Somebody who is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// As what.
    pub role: PersonRole,
    /// What the mail calls them.
    pub name: Option<String>,
    /// Their address, as the mail writes it.
    pub address: String,
}

/// What the header of a mail says of people and of other mails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Who is named, by role and in their order.
    pub people: Vec<Person>,
    /// How many more.
    pub more_people: usize,
    /// Its own id, without angle brackets.
    pub message_id: Option<String>,
    /// Ids of what it answers.
    pub in_reply_to: Vec<String>,
    /// Ids of what came before, the first and the last of them.
    pub references: Vec<String>,
    /// The id of the list that it came by (RFC 2919).
    pub list_id: Option<String>,
}

static FIELDS: LazyLock<MessageParser> = LazyLock::new(|| {
    let addresses =
        [HeaderName::From, HeaderName::ReplyTo, HeaderName::To, HeaderName::Cc, HeaderName::Bcc];
    let raw =
        [HeaderName::MessageId, HeaderName::InReplyTo, HeaderName::References, HeaderName::ListId];
    let parser = addresses.into_iter().fold(MessageParser::new(), MessageParser::header_address);
    raw.into_iter().fold(parser, MessageParser::header_raw).default_header_ignore()
});

impl Header {
    /// Reads the header at the start of `raw` (which may end anywhere). Of a field of people that is there twice, which RFC
    /// 5322 §3.6 does not allow, both count; of any other, the first. A panic of the parser costs what it would have said.
    #[must_use]
    pub fn read(raw: &[u8]) -> Self {
        let raw = raw.get(..super::HEADER_LIMIT).unwrap_or(raw);
        let raw = bounded(raw.to_vec());
        std::panic::catch_unwind(|| FIELDS.parse_headers(&raw).map(|message| Self::of(&message)))
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    fn of(message: &Message<'_>) -> Self {
        let mut header = Self::default();
        let fields = [
            (PersonRole::From, HeaderName::From),
            (PersonRole::ReplyTo, HeaderName::ReplyTo),
            (PersonRole::To, HeaderName::To),
            (PersonRole::Cc, HeaderName::Cc),
            (PersonRole::Bcc, HeaderName::Bcc),
        ];
        for (role, name) in fields {
            for value in all(message, &name) {
                if let HeaderValue::Address(list) = value {
                    header.add(role, list);
                }
            }
        }
        let ids =
            |name: &HeaderName<'_>| first(message, name).and_then(HeaderValue::as_text).map(ids_of);
        header.message_id = ids(&HeaderName::MessageId).and_then(|ids| ids.into_iter().next());
        let answers = first(message, &HeaderName::InReplyTo).and_then(HeaderValue::as_text);
        header.in_reply_to = ends(answers.map(answered).unwrap_or_default());
        header.references = ends(ids(&HeaderName::References).unwrap_or_default());
        header.list_id = ids(&HeaderName::ListId).and_then(|ids| ids.into_iter().next_back());
        header.list_id = header.list_id.map(|id| id.to_lowercase());
        header
    }

    fn add(&mut self, role: PersonRole, list: &Address<'_>) {
        for one in list.iter() {
            let (mut name, mut written) = (one.name.as_deref(), one.address.as_deref());
            // A local part in quotes is taken for a name.
            let quoted = name.zip(written).filter(|(_, domain)| is_domain_alone(domain));
            let whole = quoted.map(|(local, domain)| format!("\"{local}\"{domain}"));
            if let Some(whole) = &whole {
                (name, written) = (None, Some(whole.as_str()));
            }
            let Some(address) = written.and_then(address) else { continue };
            if self.people.len() >= PEOPLE_MOST {
                self.more_people += 1;
                continue;
            }
            let name = name.map(seen).filter(|name| !name.is_empty());
            self.people.push(Person { role, name, address });
        }
    }
}

fn is_domain_alone(address: &str) -> bool {
    address.strip_prefix('@').is_some_and(|domain| !domain.contains(['@', ':', ',']))
}

/// What the fields of this name say, from the top.
fn all<'a>(
    message: &'a Message<'_>,
    name: &'a HeaderName<'_>,
) -> impl Iterator<Item = &'a HeaderValue<'a>> {
    message.headers().iter().filter(|header| header.name == *name).map(|header| &header.value)
}

fn first<'a>(message: &'a Message<'_>, name: &'a HeaderName<'_>) -> Option<&'a HeaderValue<'a>> {
    all(message, name).next()
}

/// What can be seen of a text, its blanks each one.
fn seen(text: &str) -> String {
    let words = text
        .split_whitespace()
        .map(|word| word.chars().filter(|c| !is_unseen(*c)).collect::<String>());
    let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
    let mut text = words.join(" ");
    while text.len() > WORD_MOST {
        text.pop();
    }
    text
}

/// An address as it is written, if it may be one: without the way to it (RFC 5322, 4.4), and without a blank
/// outside of quotes.
fn address(text: &str) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !is_unseen(*c)).collect();
    let text =
        text.strip_prefix('@').and_then(|way| way.rsplit_once(':')).map_or(&*text, |(_, to)| to);
    let is_one = text.starts_with('"') || !text.contains(char::is_whitespace);
    (is_one && !text.is_empty() && text.len() <= WORD_MOST).then(|| text.to_owned())
}

/// The ids in a field: what stands in angle brackets without a blank; where nothing does, each word with an `@`.
fn ids_of(text: &str) -> Vec<String> {
    let ids = bracketed(text);
    if !ids.is_empty() {
        return ids;
    }
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '<' | '>' | '"'));
    words.filter(|word| word.contains('@')).map(str::to_owned).filter(|id| is_id(id)).collect()
}

/// The ids of what a mail answers: all, where there is nothing else; of a sentence, which names people too, the
/// last.
fn answered(text: &str) -> Vec<String> {
    let mut ids = bracketed(text);
    let outside =
        text.split('<').map(|piece| piece.rsplit_once('>').map_or(piece, |(_, behind)| behind));
    let is_sentence = outside.flat_map(str::chars).any(char::is_alphanumeric);
    if is_sentence { ids.split_off(ids.len().saturating_sub(1)) } else { ids }
}

fn bracketed(text: &str) -> Vec<String> {
    let inside = |piece: &str| piece.split_once('>').map(|(id, _)| id.to_owned());
    text.split('<').skip(1).filter_map(inside).filter(|id| is_id(id)).collect()
}

fn is_id(id: &str) -> bool {
    let is_blank = |c: char| c.is_whitespace() || c.is_control();
    !id.is_empty() && id.len() <= WORD_MOST && !id.contains(is_blank)
}

/// The first and the last of them.
fn ends(mut ids: Vec<String>) -> Vec<String> {
    if let Some(more) = ids.len().checked_sub(REFERENCES_MOST * 2) {
        ids.drain(REFERENCES_MOST..REFERENCES_MOST + more);
    }
    ids
}
