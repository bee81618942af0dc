//! What the header of a part says of it.

use crate::mime::decode::Encoding;
use crate::mime::encoded_word::bounded;
use mail_parser::{ContentType, HeaderName, Message, MessageParser, MimeHeaders};
use std::sync::LazyLock;

/// No file's name is longer, in characters.
pub const NAME_MOST: usize = 255;
/// Nor another word of a part's header, in octets.
const WORD_MOST: usize = 127;

/// Whether a part is to be shown where it lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disposition {
    /// It does not say.
    #[default]
    Untold,
    /// There.
    Inline,
    /// As a file.
    Attachment,
}

/// What the header of a part says of it (RFC 2045, 2183, 2231).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Type and subtype, in lower case.
    pub media_type: String,
    /// What its text is written in, if it says so.
    pub charset: Option<String>,
    /// How its body is encoded.
    pub encoding: Encoding,
    /// Where it is to be shown.
    pub disposition: Disposition,
    /// The file's name, without what a path is made of.
    pub name: Option<String>,
    /// What other parts call it, without angle brackets.
    pub content_id: Option<String>,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            media_type: "text/plain".into(),
            charset: None,
            encoding: Encoding::Identity,
            disposition: Disposition::Untold,
            name: None,
            content_id: None,
        }
    }
}

/// Of a header, only what says what a body is.
static FIELDS: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_content_type(HeaderName::ContentType)
        .header_content_type(HeaderName::ContentDisposition)
        .header_text(HeaderName::ContentTransferEncoding)
        .header_id(HeaderName::ContentId)
        .default_header_ignore()
});

impl Head {
    /// Reads a header, and the boundary of a multipart as it says it. A panic of the parser costs what it would have said.
    pub(super) fn read(header: &[u8], in_digest: bool) -> (Self, Option<Vec<u8>>) {
        std::panic::catch_unwind(|| {
            let header = bounded(header.to_vec());
            FIELDS.parse_headers(&header).map(|message| Self::of(&message, in_digest))
        })
        .ok()
        .flatten()
        .unwrap_or_else(|| (Self::untold(in_digest), None))
    }

    fn untold(in_digest: bool) -> Self {
        let media_type = if in_digest { "message/rfc822" } else { "text/plain" };
        Self { media_type: media_type.into(), ..Self::default() }
    }

    fn of(message: &Message<'_>, in_digest: bool) -> (Self, Option<Vec<u8>>) {
        let untold = Self::untold(in_digest);
        let content = message.content_type();
        let said = message.content_disposition();
        let boundary = content.and_then(|content| content.attribute("boundary"));
        let disposition = match said.map(|said| said.c_type.to_ascii_lowercase()).as_deref() {
            None => Disposition::Untold,
            Some("inline") => Disposition::Inline,
            // RFC 2183, 2.8: what is not known is a file.
            Some(_) => Disposition::Attachment,
        };
        let named = said.and_then(|said| said.attribute("filename"));
        let named = named.or_else(|| content.and_then(|content| content.attribute("name")));
        let encoding = message.content_transfer_encoding().map(Encoding::named).unwrap_or_default();
        let head = Self {
            media_type: content.and_then(media_type).unwrap_or(untold.media_type),
            charset: content.and_then(|content| content.attribute("charset")).and_then(word),
            encoding,
            disposition,
            name: named.and_then(file_name),
            content_id: message.content_id().and_then(|id| word(id.trim_matches(['<', '>']))),
        };
        (head, boundary.map(|boundary| boundary.trim_end().as_bytes().to_vec()))
    }

    /// Whether parts lie in it.
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        self.media_type.starts_with("multipart/")
    }

    /// Whether a mail lies in it, as it is.
    #[must_use]
    pub fn is_mail(&self) -> bool {
        matches!(self.media_type.as_str(), "message/rfc822" | "message/global")
            && self.encoding == Encoding::Identity
    }
}

fn media_type(content: &ContentType<'_>) -> Option<String> {
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_graphic());
    let subtype = content.c_subtype.as_deref().filter(|subtype| is_token(subtype))?;
    let text = format!("{}/{subtype}", content.c_type).to_ascii_lowercase();
    (is_token(&content.c_type) && text.len() <= WORD_MOST).then_some(text)
}

fn word(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !is_unseen(*c)).collect();
    (!text.is_empty() && text.len() <= WORD_MOST).then_some(text)
}

/// Whether a character is not seen: it ends lines, turns the direction of what is written, or joins what is
/// beside it.
pub(super) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

/// The name of a file and nothing else: what separates folders is written as `_`, what cannot be seen goes.
fn file_name(text: &str) -> Option<String> {
    let seen = text.trim().chars().filter(|c| !is_unseen(*c));
    let name: String =
        seen.map(|c| if matches!(c, '/' | '\\') { '_' } else { c }).take(NAME_MOST).collect();
    (!name.is_empty() && name.chars().any(|c| c != '.')).then_some(name)
}
