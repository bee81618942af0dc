//! The text of a part, as people read it.

use crate::mime::decode::Decoder;
use crate::mime::head::{Head, is_unseen};
use crate::mime::html;
use mail_parser::decoders::charsets::map::charset_decoder;

/// Octets of a part's body that are read as text.
pub const TEXT_MOST: usize = 256 * 1024;
/// Characters of a snippet.
pub const SNIPPET_MOST: usize = 200;

/// The text of a part, of whose body these are the first octets, as they are encoded: HTML as it is written.
///
/// Of what no known charset has, or says that it has no octet beyond ASCII where it has, is UTF-8 what can be,
/// and windows-1252 the rest. A panic of a decoder costs the text.
#[must_use]
pub fn text(head: &Head, octets: &[u8]) -> String {
    let octets = octets.get(..TEXT_MOST).unwrap_or(octets);
    let mut decoder = Decoder::of(head.encoding);
    let mut plain = Vec::with_capacity(octets.len());
    decoder.feed(octets, &mut plain);
    decoder.finish(&mut plain);
    let text = std::panic::catch_unwind(|| of_charset(head.charset.as_deref(), &plain));
    let text = text.unwrap_or_default();
    text.replace("\r\n", "\n").replace('\0', "\u{fffd}")
}

fn of_charset(charset: Option<&str>, octets: &[u8]) -> String {
    let charset = charset.unwrap_or("us-ascii").trim().trim_matches(['"', '\'']);
    let is_ascii =
        ["us-ascii", "ascii", "unknown-8bit"].iter().any(|of| charset.eq_ignore_ascii_case(of));
    if charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8") {
        return String::from_utf8_lossy(octets).into_owned();
    }
    match charset_decoder(charset.as_bytes()).filter(|_| !is_ascii) {
        Some(decode) => decode(octets),
        None => match std::str::from_utf8(octets) {
            Ok(text) => text.to_owned(),
            // Cut off inside of a character.
            Err(e) if e.error_len().is_none() => String::from_utf8_lossy(octets).into_owned(),
            Err(_) => charset_decoder(b"windows-1252").map(|of| of(octets)).unwrap_or_default(),
        },
    }
}

/// The text of HTML. A panic of the reader costs it.
#[must_use]
pub fn text_of_html(html: &str) -> String {
    std::panic::catch_unwind(|| html::text_of(html)).unwrap_or_default()
}

/// The beginning of a text in one line: blanks are one, what cannot be seen is none.
#[must_use]
pub fn snippet(text: &str) -> String {
    let mut snippet = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let word = || word.chars().filter(|c| !is_unseen(*c));
        if word().next().is_none() {
            continue;
        }
        let blank = if snippet.is_empty() { None } else { Some(' ') };
        for c in blank.into_iter().chain(word()) {
            if length == SNIPPET_MOST {
                return snippet.trim_end().to_owned();
            }
            snippet.push(c);
            length += 1;
        }
    }
    snippet
}
