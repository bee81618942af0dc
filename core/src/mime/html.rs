//! The text of HTML, for people and words: what stands in tags, comments, styles and scripts goes, and what ends a
//! line or a cell parts words. Each octet is looked at once.

use mail_parser::decoders::html::add_html_token;
use memchr::{memchr, memchr2, memmem};

/// Elements of which nothing is shown.
const UNSHOWN: [&str; 5] = ["head", "script", "style", "template", "title"];
/// Elements in the middle of a word.
const INSIDE: [&str; 24] = [
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "em", "font", "i", "ins", "kbd", "mark",
    "q", "s", "small", "span", "strike", "strong", "sub", "sup", "u", "wbr",
];
/// A longer name of a character is none.
const ENTITY_MOST: usize = 32;
/// Octets of a tag in which quotes are looked at.
const QUOTES_MOST: usize = 1024;

/// The text of HTML.
pub(super) fn text_of(html: &str) -> String {
    let mut reading = Reading { text: String::with_capacity(html.len() / 2), ..Reading::default() };
    let mut rest = html;
    while let Some(at) = memchr2(b'<', b'&', rest.as_bytes()) {
        let (plain, behind) = rest.split_at(at);
        reading.text.push_str(plain);
        rest =
            if behind.starts_with('&') { reading.entity(behind) } else { reading.element(behind) };
    }
    reading.text.push_str(rest);
    reading.text
}

#[derive(Default)]
struct Reading {
    text: String,
    /// Elements that are not closed any more: what would be in them is shown, and not looked for again.
    unclosed: [bool; UNSHOWN.len()],
}

impl Reading {
    /// A character that is written by its name; returns what is behind.
    fn entity<'a>(&mut self, behind: &'a str) -> &'a str {
        let octets = behind.as_bytes();
        let end = memchr(b';', octets.get(..ENTITY_MOST).unwrap_or(octets)).filter(|end| {
            let name = behind.get(1..*end).unwrap_or_default();
            !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'#')
        });
        let (token, rest) = behind.split_at(end.map_or(1, |end| end + 1));
        add_html_token(&mut self.text, token.as_bytes(), false);
        rest
    }

    /// A tag, a comment, or what is none; returns what is behind it, and behind what is not shown of an element.
    fn element<'a>(&mut self, behind: &'a str) -> &'a str {
        let inside = behind.get(1..).unwrap_or_default();
        if let Some(comment) = inside.strip_prefix("!--") {
            let end = memmem::find(comment.as_bytes(), b"-->");
            return end.and_then(|end| comment.get(end + 3..)).unwrap_or_default();
        }
        if !inside.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            self.text.push('<');
            return inside;
        }
        let named = inside.strip_prefix('/').unwrap_or(inside);
        let end = named.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(named.len());
        let (name, rest) = (named.get(..end).unwrap_or_default(), behind_tag(behind));
        if !INSIDE.iter().any(|of| name.eq_ignore_ascii_case(of)) {
            self.text.push('\n');
        }
        let unshown =
            UNSHOWN.iter().zip(&mut self.unclosed).find(|(of, _)| name.eq_ignore_ascii_case(of));
        match unshown {
            Some((of, unclosed)) if !inside.starts_with('/') && !*unclosed => {
                let end = behind_element(rest, of);
                *unclosed = end.is_none();
                end.unwrap_or(rest)
            }
            _ => rest,
        }
    }
}

/// Behind the end of a tag: the first `>` outside of quotes, or the first of all where those do not end soon.
fn behind_tag(tag: &str) -> &str {
    let mut quote = None;
    for (at, c) in tag.bytes().enumerate().take(QUOTES_MOST) {
        match (quote, c) {
            (None, b'"' | b'\'') => quote = Some(c),
            (None, b'>') => return tag.get(at + 1..).unwrap_or_default(),
            (Some(of), c) if of == c => quote = None,
            _ => {}
        }
    }
    let end = memchr(b'>', tag.as_bytes());
    end.and_then(|end| tag.get(end + 1..)).unwrap_or_default()
}

/// Behind the closing tag of an element.
fn behind_element<'a>(inside: &'a str, name: &str) -> Option<&'a str> {
    memmem::find_iter(inside.as_bytes(), b"</").find_map(|at| {
        let closing = inside.get(at..)?;
        let named = closing.get(2..2 + name.len())?;
        named.eq_ignore_ascii_case(name).then(|| behind_tag(closing))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_shown_is_parted_as_it_is_shown() {
        for (html, expected) in [
            ("", ""),
            ("a &amp; b&nbsp;c &#228;&#xe4; &unknown; & &;", "a & b c \u{e4}\u{e4} &unknown; & &;"),
            ("<div>Hello</div><div>World</div>", "Hello World"),
            ("<tr><td>a</td><td>b</td></tr><li>c<li>d<br style='x'>e<BR/>f", "a b c d e f"),
            ("wo<b>r</b>d <a href=\"x>y\">li</a>nk", "word link"),
            ("<html><head><title>no</title></head><body>yes", "yes"),
            ("<head><style type=\"text/css\">p > a { }</style><title>no</title><body>yes", "yes"),
            ("a<script>if (a < b) \"</div>\"</SCRIPT >b", "a b"),
            ("a<!-- no > no --->b<!-- <p> -->c<!doctype html><?xml x?>d", "abc d"),
            ("a<style>never closed", "a never closed"),
            ("1 < 2 <3 a<", "1 < 2 <3 a<"),
            ("a<b title=\"never ends>b\nc", "ab c"),
            ("a<!-- never ends", "a"),
            ("a<p", "a"),
        ] {
            let text = text_of(html);
            let words: Vec<&str> = text.split_whitespace().collect();
            assert_eq!(words.join(" "), expected, "{html}");
        }
    }

    const PARTS: &[&str] = &[
        "<",
        ">",
        "</",
        "<!--",
        "-->",
        "&",
        ";",
        "&lt;",
        "\"",
        "'",
        "<p>",
        "<a href=\"",
        "<style>",
        "</style>",
        "<head>",
        "x",
        "\u{e4}",
        " ",
    ];

    proptest! {
        /// Whatever it is, it is read.
        #[test]
        fn anything_is_read(parts in prop::collection::vec(prop::sample::select(PARTS), 0..40)) {
            let html = parts.concat();
            prop_assert!(text_of(&html).len() <= html.len() * 2);
        }
    }
}
