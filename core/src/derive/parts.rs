//! Parts of a mail, read when somebody asks for them.

use super::reading::{Attachment, Octets, attachment, scanned, texts};
use crate::mime::{Part, TEXT_MOST, text};
use std::ops::Range;

/// The part of a number, as IMAP counts them (RFC 9051, 6.4.5.1).
///
/// # Errors
/// Its octets cannot be read.
pub fn part<O: Octets>(mail: &mut O, number: &str) -> Result<Option<Attachment>, O::Error> {
    let (structure, _) = scanned(mail)?;
    let Some(n) = structure.numbered(number) else { return Ok(None) };
    structure.parts.get(n).map(|part| attachment(mail, &structure, n, part)).transpose()
}

/// The text that is shown, as text: the first octets of it, where it is long.
///
/// # Errors
/// Its octets cannot be read.
pub fn shown_text<O: Octets>(mail: &mut O) -> Result<String, O::Error> {
    let (structure, _) = scanned(mail)?;
    Ok(texts(mail, &structure)?.join("\n"))
}

/// What is shown, as HTML, where there is any; what is plain among it is escaped.
///
/// # Errors
/// Its octets cannot be read.
pub fn shown_html<O: Octets>(mail: &mut O) -> Result<Option<String>, O::Error> {
    let (structure, _) = scanned(mail)?;
    let shown = structure.html();
    let parts = || shown.iter().filter_map(|n| structure.parts.get(*n));
    let is_html = |part: &Part| part.head.media_type == "text/html";
    if !parts().any(is_html) {
        return Ok(None);
    }
    let (mut html, mut left) = (String::new(), 4 * TEXT_MOST);
    for part in parts() {
        let most = left.min(TEXT_MOST) as u64;
        let Range { start, end } = part.body;
        let mut octets = Vec::new();
        mail.read(start..end.min(start + most), &mut |piece| octets.extend_from_slice(piece))?;
        left -= octets.len();
        let text = text(&part.head, &octets);
        if is_html(part) {
            html.push_str(&text);
        } else {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            html.push_str(&format!("<pre>{text}</pre>"));
        }
    }
    Ok(Some(html))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    struct Raw<'a>(&'a [u8]);

    impl Octets for Raw<'_> {
        type Error = Infallible;

        fn length(&self) -> u64 {
            self.0.len() as u64
        }

        fn read(
            &mut self,
            range: Range<u64>,
            take: &mut dyn FnMut(&[u8]),
        ) -> Result<(), Infallible> {
            let at = |place| usize::try_from(place).unwrap();
            take(&self.0[at(range.start)..at(range.end)]);
            Ok(())
        }
    }

    const MAIL: &str = "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\
        Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\nplain\r\n--a\r\nContent-Type: text/html\r\n\r\n\
        <p>rich</p>\r\n--a--\r\n--m\r\nContent-Type: image/png; name=a.png\r\n\
        Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--m\r\n\r\na < b\r\n--m--\r\n";

    #[test]
    fn parts_are_found_by_their_numbers() {
        let found = |number: &str| {
            let Ok(found) = part(&mut Raw(MAIL.as_bytes()), number);
            found.map(|part| {
                let at = |place| usize::try_from(place).unwrap();
                let lies = at(part.octets.start)..at(part.octets.end);
                (part.media_type, MAIL.get(lies).unwrap(), part.size)
            })
        };
        assert_eq!(found("1.2"), Some(("text/html".into(), "<p>rich</p>", 11)));
        assert_eq!(found("2"), Some(("image/png".into(), "aGVsbG8=", 5)));
        assert_eq!(found("3"), Some(("text/plain".into(), "a < b", 5)));
        for none in ["0", "4", "2.1", "", "x", "1.2.3.4"] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_shown_is_text_or_html() {
        assert_eq!(shown_text(&mut Raw(MAIL.as_bytes())), Ok("plain\na < b".into()));
        let html = Some("<p>rich</p><pre>a &lt; b</pre>".to_owned());
        assert_eq!(shown_html(&mut Raw(MAIL.as_bytes())), Ok(html));
        assert_eq!(shown_html(&mut Raw(b"Subject: x\r\n\r\n<p>no\r\n")), Ok(None));
        assert_eq!(shown_text(&mut Raw(b"Content-Type: image/png\r\n\r\nx")), Ok(String::new()));
    }
}
