//! Header facts from raw octets. Tolerant: whatever comes, the mail is kept and the process lives.

use crate::mime::encoded_word::bounded;
use crate::time::Micros;
use mail_parser::{Address, HeaderName, HeaderValue, MessageParser};
use memchr::memchr;
use std::sync::LazyLock;

string_enum! {
    /// How well a header could be read. A mail that does not parse is stored and is not a failure.
    #[derive(Default)]
    Parse {
        /// Read as it should be.
        #[default]
        Ok => "ok",
        /// Read, with something missing or repaired.
        Lenient => "lenient",
        /// Not read: only the bytes are kept.
        Failed => "failed",
    }
}

/// What the header says: attributes for people and searches, never identity. All text is free of
/// NUL and bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderFacts {
    /// How well it could be read.
    pub parse: Parse,
    /// Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// Subject, decoded.
    pub subject: Option<String>,
    /// From, as `Name <address>` joined by commas.
    pub from: Option<String>,
    /// To, likewise.
    pub to: Option<String>,
    /// Cc, likewise.
    pub cc: Option<String>,
    /// Date header.
    pub date: Option<Micros>,
    /// What is read stands in the place of its bytes, which its provider does not hand out.
    pub synthetic: bool,
}

impl HeaderFacts {
    /// Octets of its texts.
    #[must_use]
    pub fn octets(&self) -> u64 {
        let texts = [&self.message_id, &self.subject, &self.from, &self.to, &self.cc];
        texts.into_iter().flatten().map(|text| text.len() as u64).sum()
    }
}

/// More of a header than this is not looked at.
pub const HEADER_LIMIT: usize = 256 * 1024;
/// No header text is stored longer than this, in characters.
pub const TEXT_LIMIT: usize = 8 * 1024;

/// Of a header, only the fields that are facts are taken apart: a Received costs more than all of them.
static FACTS: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_text(HeaderName::Subject)
        .header_address(HeaderName::From)
        .header_address(HeaderName::To)
        .header_address(HeaderName::Cc)
        .header_date(HeaderName::Date)
        .header_id(HeaderName::MessageId)
        .default_header_ignore()
});

/// Reads the header at the start of `raw` (which may end anywhere).
///
/// A panic of the parser costs the facts, not the process: then `parse` is `failed`.
#[must_use]
pub fn header_facts(raw: &[u8]) -> HeaderFacts {
    let raw = raw.get(..raw.len().min(HEADER_LIMIT)).unwrap_or(raw);
    std::panic::catch_unwind(|| read(raw))
        .unwrap_or_else(|_| HeaderFacts { parse: Parse::Failed, ..HeaderFacts::default() })
}

/// The Message-ID of a header, as [`header_facts`] has it.
#[must_use]
pub fn message_id(header: &[u8]) -> Option<String> {
    let header = header.get(..header.len().min(HEADER_LIMIT)).unwrap_or(header);
    let header = bounded(header.to_vec());
    std::panic::catch_unwind(|| {
        let message = FACTS.parse_headers(&header)?;
        message.message_id().map(clean)
    })
    .unwrap_or_default()
}

fn read(raw: &[u8]) -> HeaderFacts {
    read_all(&bounded(of_facts(raw)))
}

/// The fields that are facts, by their names without spaces.
const NAMES: [&[u8]; 6] = [b"subject", b"from", b"to", b"cc", b"date", b"message-id"];

/// Of a header what is looked at, and its first field, whatever it is: most of it are other fields.
fn of_facts(raw: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(raw.len().min(1024));
    // In a field, whether it is kept.
    let mut field = None;
    let mut rest = raw;
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (mut line, after) = rest.split_at(end);
        rest = after;
        let is_folded = matches!(line.first(), Some(b' ' | b'\t'));
        if field.is_none() || !is_folded {
            if line.trim_ascii().is_empty() {
                break;
            }
            // Else it would go on with the field before.
            line = line.trim_ascii_start();
            field = name(line).map(|name| kept.is_empty() || is_fact(name));
        }
        if field == Some(true) {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// The name of the field that begins with this line: what stands before its colon, or before the end of
/// all.
fn name(line: &[u8]) -> Option<&[u8]> {
    let begin = line.iter().position(|c| !c.is_ascii_whitespace() && *c != b':')?;
    let line = line.get(begin..)?;
    match memchr(b':', line) {
        Some(colon) => line.get(..colon),
        None => (!line.ends_with(b"\n")).then_some(line),
    }
}

fn is_fact(name: &[u8]) -> bool {
    let letters = || name.iter().filter(|c| !c.is_ascii_whitespace()).map(u8::to_ascii_lowercase);
    NAMES.iter().any(|fact| letters().eq(fact.iter().copied()))
}

fn read_all(raw: &[u8]) -> HeaderFacts {
    let Some(message) = FACTS.parse_headers(raw) else {
        return HeaderFacts { parse: Parse::Failed, ..HeaderFacts::default() };
    };
    let date = message.date().map(|d| Micros::from_seconds(d.to_timestamp()));
    let mut parse = Parse::Ok;
    if message.headers().is_empty() {
        parse = Parse::Failed;
    } else if message.date().is_none() || message.from().is_none() || raw_eight_bit(&message) {
        parse = Parse::Lenient;
    }
    HeaderFacts {
        parse,
        message_id: message.message_id().map(clean),
        subject: message.subject().map(clean),
        from: message.from().and_then(addresses),
        to: message.to().and_then(addresses),
        cc: message.cc().and_then(addresses),
        date,
        synthetic: false,
    }
}

fn raw_eight_bit(message: &mail_parser::Message<'_>) -> bool {
    message.headers().iter().any(|h| {
        h.name == HeaderName::Subject
            && matches!(&h.value, HeaderValue::Text(t) if t.contains('\u{fffd}'))
    })
}

fn addresses(list: &Address<'_>) -> Option<String> {
    let mut text = String::new();
    for one in list.iter() {
        if !text.is_empty() {
            text.push_str(", ");
        }
        match (one.name(), one.address()) {
            (Some(name), Some(address)) => {
                text.push_str(name);
                text.push_str(" <");
                text.push_str(address);
                text.push('>');
            }
            (Some(only), None) | (None, Some(only)) => text.push_str(only),
            (None, None) => {}
        }
        if text.len() > TEXT_LIMIT {
            break;
        }
    }
    (!text.is_empty()).then(|| clean(&text))
}

/// Strips NUL (PostgreSQL refuses it) and bounds the length.
fn clean(text: &str) -> String {
    if text.len() <= TEXT_LIMIT && !text.contains('\0') {
        return text.to_owned();
    }
    text.chars().filter(|c| *c != '\0').take(TEXT_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_usual_and_decodes() {
        let facts = header_facts(
            b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nTo: a@example.org, B <b@example.org>\r\n\
              Subject: =?utf-8?b?44GT?=\r\nMessage-ID: <x@y>\r\nDate: Thu, 1 Jan 1970 00:00:01 +0000\r\n\r\nbody",
        );
        assert_eq!(facts.parse, Parse::Ok);
        assert_eq!(facts.from.as_deref(), Some("Jürgen <j@example.org>"));
        assert_eq!(facts.to.as_deref(), Some("a@example.org, B <b@example.org>"));
        assert_eq!(facts.subject.as_deref(), Some("こ"));
        assert_eq!(facts.message_id.as_deref(), Some("x@y"));
        assert_eq!(facts.date, Some(Micros(1_000_000)));
    }

    proptest! {
        /// What is not looked at says nothing about what is.
        #[test]
        fn fields_are_read_as_if_all_of_them_were(
            parts in prop::collection::vec(prop::sample::select(PARTS), 0..24)
        ) {
            let raw = parts.concat();
            prop_assert_eq!(read(raw.as_bytes()), read_all(raw.as_bytes()), "{:?}", raw);
        }
    }

    const PARTS: &[&str] = &[
        "Subject: a\r\n",
        "subject:b",
        "Sub ject :c\n",
        "From: A <a@b>\r\n",
        "FROM:\n",
        "To: x@y, (c\r\n d) z@w\n",
        "Cc: \"q\r\n",
        "Date: Thu, 1 Jan 1970 00:00:01 +0000\r\n",
        "Message-ID: <x@y>\r\n",
        "Message-Id:\r\n <z@w>\r\n",
        "Received: by x;\r\n\tThu\r\n",
        "X-Long-Name-That-Is-Longer-Than-Any-Known: 1\r\n",
        ":",
        "::Subject:",
        " ",
        "\t",
        "\r",
        "\n",
        "\r\n",
        "garbage\r\n",
        "garbage",
        "=?utf-8?q?J=C3=BC?= ",
        "=?utf-8?b?44GT",
        "\0",
        "\u{fffd}",
        "(",
        "\\",
        "\"",
        "<",
        ">",
        ",",
        ";",
        "body: no\r\n",
        "Fromage: x\r\n",
        "Too: y\n",
        " Subject: folded\r\n",
    ];

    #[test]
    fn survives_what_is_no_mail() {
        assert_eq!(header_facts(b"").parse, Parse::Failed);
        for raw in [
            &b"\0\0\0"[..],
            b"Subject: a\0b\r\n\r\n",
            b"Subject: \xff\xfe\r\nFrom\r\n",
            b"::::\r\n",
            b"From: <<<>>>>,,,;;\r\n\r\n",
        ] {
            let facts = header_facts(raw);
            assert!(facts.subject.is_none_or(|s| !s.contains('\0')), "{raw:?}");
        }
        let nested =
            format!("Content-Type: multipart/mixed; boundary={}\r\n\r\n", "(".repeat(100_000));
        assert_ne!(header_facts(nested.as_bytes()).parse, Parse::Ok);
        let long = format!("Subject: {}\r\n\r\n", "x".repeat(1_000_000));
        assert!(header_facts(long.as_bytes()).subject.unwrap_or_default().len() <= TEXT_LIMIT);
    }
}
