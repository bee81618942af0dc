//! What is derived of one mail, read from its octets in passes: each of them streams, and none keeps more than a
//! part's text.

use crate::derive::made::Reads;
use crate::mime::{
    Decoder, Disposition, Encoding, HEADER_LIMIT, Header, Part, Scanner, Structure, TEXT_MOST,
    header_facts, snippet, text, text_of_html,
};
use crate::thread::{ThreadKey, keys};
use crate::word::{Field, WordText, Words};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// Octets of text of a mail that are read, of all its parts.
const ALL_TEXT_MOST: usize = 4 * TEXT_MOST;

/// The octets of a mail.
pub trait Octets {
    /// Why they cannot be read.
    type Error;

    /// How many there are.
    fn length(&self) -> u64;

    /// Hands over a range of them, in pieces.
    ///
    /// # Errors
    /// They cannot be read.
    fn read(&mut self, range: Range<u64>, take: &mut dyn FnMut(&[u8])) -> Result<(), Self::Error>;
}

/// A file in a mail, or whatever else is not shown as its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The part's number.
    pub number: String,
    /// Its type.
    pub media_type: String,
    /// Its name.
    pub name: Option<String>,
    /// It is shown in the text.
    pub is_inline: bool,
    /// What the text calls it.
    pub content_id: Option<String>,
    /// How it is encoded.
    pub encoding: Encoding,
    /// Where it lies in the mail, as it is encoded.
    pub octets: Range<u64>,
    /// Its length, decoded.
    pub size: u64,
    /// Its SHA-256, decoded.
    pub sha256: [u8; 32],
}

/// What is derived of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// Who is named in it, and which other mails.
    pub header: Header,
    /// What joins it with other mails, where its provider tells no threads.
    pub keys: Vec<ThreadKey>,
    /// The beginning of its text.
    pub snippet: String,
    /// What lies in it beside its text.
    pub attachments: Vec<Attachment>,
    /// Its words, if they are read.
    pub words: Option<WordText>,
    /// It is not as it should be: what was read stands.
    pub is_lenient: bool,
}

impl Derived {
    /// Reads a mail.
    ///
    /// # Errors
    /// Its octets cannot be read.
    pub fn read<O: Octets>(mail: &mut O, reads: Reads) -> Result<Self, O::Error> {
        let (structure, begin) = scanned(mail)?;
        let header = own_header(&structure, &begin);
        let attachments = attachments(mail, &structure)?;
        let texts = texts(mail, &structure)?;
        let words = |texts| words(&begin, &header, &attachments, texts);
        let words = match reads {
            Reads::Full => Some(words(&texts)),
            Reads::Head => Some(words(&[])),
            Reads::Off => None,
        };
        let mut snippets = texts.iter().map(|text| snippet(text));
        Ok(Self {
            keys: keys(&header),
            header,
            snippet: snippets.find(|text| !text.is_empty()).unwrap_or_default(),
            attachments,
            words,
            is_lenient: structure.is_lenient,
        })
    }
}

/// What joins a mail with others, where its provider tells no threads: what is looked at of its header says it, and no more is
/// read.
///
/// # Errors
/// Its octets cannot be read.
pub fn keys_of<O: Octets>(mail: &mut O) -> Result<Vec<ThreadKey>, O::Error> {
    let (structure, begin) = scanned_to(mail, HEADER_LIMIT as u64)?;
    Ok(keys(&own_header(&structure, &begin)))
}

/// The header of the mail itself.
fn own_header(structure: &Structure, begin: &[u8]) -> Header {
    let own = structure.parts.first().and_then(|mail| usize::try_from(mail.header.end).ok());
    Header::read(own.and_then(|end| begin.get(..end)).unwrap_or(begin))
}

/// The words of its subject, of who is named, of its files' names and of its texts.
fn words(begin: &[u8], header: &Header, attachments: &[Attachment], texts: &[String]) -> WordText {
    let mut words = Words::default();
    words.add(Field::Subject, &header_facts(begin).subject.unwrap_or_default());
    for person in &header.people {
        words.add(Field::People, person.name.as_deref().unwrap_or_default());
        words.add(Field::People, &person.address);
    }
    for name in attachments.iter().filter_map(|file| file.name.as_deref()) {
        words.add(Field::File, name);
    }
    texts.iter().for_each(|text| words.add(Field::Text, text));
    words.finish()
}

/// A mail's structure, and its first octets.
pub(super) fn scanned<O: Octets>(mail: &mut O) -> Result<(Structure, Vec<u8>), O::Error> {
    scanned_to(mail, u64::MAX)
}

/// The same of so many octets at most.
fn scanned_to<O: Octets>(mail: &mut O, most: u64) -> Result<(Structure, Vec<u8>), O::Error> {
    let (mut scanner, mut begin) = (Scanner::default(), Vec::new());
    mail.read(0..mail.length().min(most), &mut |octets| {
        let room = HEADER_LIMIT - begin.len();
        begin.extend_from_slice(octets.get(..room).unwrap_or(octets));
        scanner.feed(octets);
    })?;
    Ok((scanner.finish(), begin))
}

fn attachments<O: Octets>(
    mail: &mut O,
    structure: &Structure,
) -> Result<Vec<Attachment>, O::Error> {
    structure.attachments().map(|(n, part)| attachment(mail, structure, n, part)).collect()
}

/// A part as a file.
pub(super) fn attachment<O: Octets>(
    mail: &mut O,
    structure: &Structure,
    n: usize,
    part: &Part,
) -> Result<Attachment, O::Error> {
    let (size, sha256) = hashed(mail, part)?;
    let head = part.head.clone();
    // What the text calls by an id is shown in it, unless it is said to be a file.
    let is_called = head.disposition == Disposition::Untold && head.content_id.is_some();
    Ok(Attachment {
        number: structure.number(n).unwrap_or_default(),
        media_type: head.media_type,
        name: head.name,
        is_inline: is_called || head.disposition == Disposition::Inline,
        content_id: head.content_id,
        encoding: head.encoding,
        octets: part.body.clone(),
        size,
        sha256,
    })
}

/// A part's length and SHA-256, decoded.
fn hashed<O: Octets>(mail: &mut O, part: &Part) -> Result<(u64, [u8; 32]), O::Error> {
    let (mut decoder, mut hash) = (Decoder::of(part.head.encoding), Sha256::new());
    let (mut size, mut out) = (0, Vec::new());
    mail.read(part.body.clone(), &mut |octets| {
        decoder.feed(octets, &mut out);
        size += out.len() as u64;
        hash.update(&out);
        out.clear();
    })?;
    decoder.finish(&mut out);
    hash.update(&out);
    Ok((size + out.len() as u64, hash.finalize().into()))
}

/// The texts that are shown, HTML as text.
pub(super) fn texts<O: Octets>(
    mail: &mut O,
    structure: &Structure,
) -> Result<Vec<String>, O::Error> {
    let (mut texts, mut left) = (Vec::new(), ALL_TEXT_MOST);
    for part in structure.text().into_iter().filter_map(|n| structure.parts.get(n)) {
        let most = left.min(TEXT_MOST) as u64;
        let Range { start, end } = part.body;
        let mut octets = Vec::new();
        mail.read(start..end.min(start + most), &mut |piece| octets.extend_from_slice(piece))?;
        left -= octets.len();
        let text = text(&part.head, &octets);
        texts.push(if part.head.media_type == "text/html" { text_of_html(&text) } else { text });
        if left == 0 {
            break;
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mail in memory, in pieces of some length; how much was read of it, and the longest text that was kept.
    struct Pieces<'a> {
        raw: &'a [u8],
        piece: usize,
        read: u64,
    }

    impl Octets for Pieces<'_> {
        type Error = String;

        fn length(&self) -> u64 {
            self.raw.len() as u64
        }

        fn read(&mut self, range: Range<u64>, take: &mut dyn FnMut(&[u8])) -> Result<(), String> {
            let at = |place| usize::try_from(place).unwrap();
            let octets = self.raw.get(at(range.start)..at(range.end)).ok_or("there are none")?;
            self.read += octets.len() as u64;
            octets.chunks(self.piece).for_each(take);
            Ok(())
        }
    }

    fn derived(raw: &str, piece: usize) -> (Derived, u64) {
        let mut mail = Pieces { raw: raw.as_bytes(), piece, read: 0 };
        let derived = Derived::read(&mut mail, Reads::Full).unwrap();
        (derived, mail.read)
    }

    const MAIL: &str = "From: Ada <ada@x.y>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <one@x.y>\r\n\
        References: <root@x.y>\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\
        Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\n\r\n--a\r\nContent-Type: text/html\r\n\r\n\
        <p>Hello  <b>world</b></p>\r\n--a--\r\n--m\r\nContent-Type: image/png; name=a.png\r\nContent-ID: <i>\r\n\
        Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--m\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: inner\r\n\r\nsecret\r\n--m\r\n\r\nand more\r\n--m--\r\n";

    #[test]
    fn a_mail_is_read_whole_in_whatever_pieces() {
        let (all, _) = derived(MAIL, MAIL.len());
        for piece in [1, 2, 3, 7, 64] {
            assert_eq!(derived(MAIL, piece).0, all, "{piece}");
        }
        let files: Vec<_> = all
            .attachments
            .iter()
            .map(|a| (&*a.number, &*a.media_type, a.size, a.is_inline))
            .collect();
        assert_eq!(files, [("2", "image/png", 5, true), ("3", "message/rfc822", 24, false)]);
        let png = &all.attachments[0];
        assert_eq!(png.sha256, <[u8; 32]>::from(Sha256::digest("hello")));
        let lies = png.octets.start as usize..png.octets.end as usize;
        assert_eq!(MAIL.get(lies), Some("aGVsbG8="));
        // The plain one is blank.
        assert_eq!(all.snippet, "Hello world");
        assert_eq!(all.keys.len(), 2);
        let words: Vec<_> =
            all.words.as_ref().unwrap().words().map(|(field, _, word)| (field, word)).collect();
        assert_eq!(
            words,
            [
                (Field::Subject, "gru\u{df}e"),
                (Field::People, "ada"),
                (Field::People, "ada@x.y"),
                (Field::People, "ada"),
                (Field::People, "x"),
                (Field::People, "y"),
                (Field::File, "a"),
                (Field::File, "png"),
                (Field::Text, "hello"),
                (Field::Text, "world"),
                (Field::Text, "and"),
                (Field::Text, "more"),
            ]
        );
        assert!(!all.is_lenient);
    }

    #[test]
    fn keys_are_read_from_the_beginning_of_a_mail() {
        let long = |octets: usize| format!("X-Long: {}\r\n{MAIL}", "x".repeat(octets));
        let body = format!("{MAIL}{}", "body\r\n".repeat(100_000));
        let cut = HEADER_LIMIT - 160;
        for raw in [MAIL.to_owned(), body, long(1000), long(cut), long(HEADER_LIMIT)] {
            let mut mail = Pieces { raw: raw.as_bytes(), piece: 1000, read: 0 };
            let keys = keys_of(&mut mail).unwrap();
            assert!(mail.read <= HEADER_LIMIT as u64, "{}", mail.read);
            assert_eq!(keys, derived(&raw, 1000).0.keys, "{}", raw.len());
        }
    }

    #[test]
    fn what_is_read_does_not_grow_with_parts() {
        // Many texts: no more of them than is read in all. A mail in a mail in a mail is read once more, not each time.
        let part = format!("--m\r\n\r\n{}\r\n", "word ".repeat(20_000));
        let raw = format!(
            "Content-Type: multipart/mixed; boundary=m\r\n\r\n{}--m--\r\n",
            part.repeat(40)
        );
        let (all, read) = derived(&raw, 4096);
        assert!(all.words.unwrap().words().count() <= crate::word::WORDS_MOST);
        assert!(read <= raw.len() as u64 + ALL_TEXT_MOST as u64, "{read} of {}", raw.len());
        let nested = format!(
            "{}x\r\n{}",
            "Content-Type: message/rfc822\r\n\r\n".repeat(400),
            "y".repeat(100_000)
        );
        let (all, read) = derived(&nested, 4096);
        assert_eq!(all.attachments.len(), 1);
        assert!(all.is_lenient && read <= 2 * nested.len() as u64 + TEXT_MOST as u64, "{read}");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        struct Damaged;
        impl Octets for Damaged {
            type Error = &'static str;

            fn length(&self) -> u64 {
                5
            }

            fn read(
                &mut self,
                _: Range<u64>,
                take: &mut dyn FnMut(&[u8]),
            ) -> Result<(), Self::Error> {
                take(b"Sub");
                Err("damaged")
            }
        }
        assert_eq!(Derived::read(&mut Damaged, Reads::Off), Err("damaged"));
    }
}
