//! FETCH responses.

use crate::command::Misbehaviour;
use crate::mailbox::{Folder, Mail};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Whether a set (`1:5,7`, `3:*`) holds a UID, given the highest one there is.
pub(crate) fn holds(set: &str, uid: u32, last: u32) -> bool {
    let number = |text: &str| if text == "*" { Some(last) } else { text.parse().ok() };
    set.split(',').any(|part| {
        let (a, b) = part.split_once(':').unwrap_or((part, part));
        match (number(a), number(b)) {
            (Some(a), Some(b)) => (a.min(b)..=a.max(b)).contains(&uid),
            _ => false,
        }
    })
}

/// Writes the FETCH lines for `set` and `items` into `out`; false when the last one is half, and
/// the connection is to end.
pub(crate) fn lines(
    folder: &Folder,
    set: &str,
    items: &str,
    misbehaviour: Option<&Misbehaviour>,
    out: &mut Vec<u8>,
) -> bool {
    let last = folder.mail.keys().next_back().copied().unwrap_or(0);
    let upper = items.to_ascii_uppercase();
    let wants = |item: &str| upper.contains(item);
    let mut told = 0;
    for (n, (uid, mail)) in
        folder.mail.iter().enumerate().filter(|(_, (uid, _))| holds(set, **uid, last))
    {
        told += 1;
        if let Some(Misbehaviour::LoseEvery(every)) = misbehaviour
            && told % every == 0
        {
            continue;
        }
        if misbehaviour == Some(&Misbehaviour::LoseUid(*uid)) {
            continue;
        }
        let more = if let Some(Misbehaviour::Estimate(more)) = misbehaviour { *more } else { 0 };
        let line = format!("* {} FETCH (UID {uid}{}", n + 1, items_of(mail, &upper, more));
        out.extend_from_slice(line.as_bytes());
        if wants("BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]") {
            let fields = message_id(&mail.raw);
            let name = " BODY[HEADER.FIELDS (MESSAGE-ID)]";
            out.extend_from_slice(format!("{name} {{{}}}\r\n", fields.len()).as_bytes());
            out.extend_from_slice(&fields);
        }
        if !octets(*uid, mail, &upper, misbehaviour, out) {
            return false;
        }
        out.extend_from_slice(b")\r\n");
    }
    true
}

/// Writes the octets of a message, if they are asked for; false when they are half, and the connection is to end.
fn octets(
    uid: u32,
    mail: &Mail,
    asked: &str,
    misbehaviour: Option<&Misbehaviour>,
    out: &mut Vec<u8>,
) -> bool {
    let range = range(asked);
    if range.is_none() && !asked.contains("BODY.PEEK[]") {
        return true;
    }
    let piece = range.map_or(mail.raw.as_slice(), |(from, length)| {
        let rest = mail.raw.get(from.min(mail.raw.len())..).unwrap_or_default();
        rest.get(..length.min(rest.len())).unwrap_or_default()
    });
    let is_cut = |text: &str| piece.windows(text.len()).any(|w| w == text.as_bytes());
    // A piece with the text in it does not come at all.
    if range.is_some() && matches!(misbehaviour, Some(Misbehaviour::CutAt(text)) if is_cut(text)) {
        return false;
    }
    let label = range.map_or_else(|| " BODY[]".to_owned(), |(from, _)| format!(" BODY[]<{from}>"));
    out.extend_from_slice(label.as_bytes());
    if matches!(misbehaviour, Some(Misbehaviour::Hollow(uids)) if uids.contains(&uid)) {
        out.extend_from_slice(b" NIL");
        return true;
    }
    let (more, kept) = match misbehaviour {
        Some(Misbehaviour::CutAt(text)) if is_cut(text) => (0, piece.len() / 2),
        Some(Misbehaviour::TooLong(more)) if range.is_none() => (*more, piece.len()),
        _ => (0, piece.len()),
    };
    out.extend_from_slice(format!(" {{{}}}\r\n", piece.len() + more).as_bytes());
    out.extend_from_slice(piece.get(..kept).unwrap_or_default());
    kept == piece.len()
}

/// The range that is asked for (`BODY.PEEK[]<5.100>`): from which octet, and how many.
fn range(asked: &str) -> Option<(usize, usize)> {
    let (_, range) = asked.split_once("BODY.PEEK[]<")?;
    let (from, length) = range.split_once('>')?.0.split_once('.')?;
    Some((from.parse().ok()?, length.parse().ok()?))
}

/// What is told of a message besides its text; its size is said to be this much larger.
fn items_of(mail: &Mail, asked: &str, more: isize) -> String {
    let (mut line, wants) = (String::new(), |item: &str| asked.contains(item));
    if wants("FLAGS") {
        line.push_str(&format!(" FLAGS ({})", mail.flags.join(" ")));
    }
    if wants("INTERNALDATE") {
        let date =
            if mail.date.is_empty() { "NIL".to_owned() } else { format!("\"{}\"", mail.date) };
        line.push_str(&format!(" INTERNALDATE {date}"));
    }
    if wants("RFC822.SIZE") {
        line.push_str(&format!(" RFC822.SIZE {}", mail.raw.len().saturating_add_signed(more)));
    }
    if wants("EMAILID") {
        line.push_str(&format!(" EMAILID (M{:x})", name_of(mail)));
    }
    if wants("THREADID") {
        line.push_str(
            &thread_of(mail)
                .map_or(" THREADID NIL".to_owned(), |id| format!(" THREADID (T{id:x})")),
        );
    }
    if wants("X-GM-THRID")
        && let Some(id) = thread_of(mail)
    {
        line.push_str(&format!(" X-GM-THRID {id}"));
    }
    if wants("X-GM-MSGID") {
        line.push_str(&format!(" X-GM-MSGID {}", name_of(mail)));
    }
    line
}

/// What a message is named by: of equal bytes it is equal.
fn name_of(mail: &Mail) -> u64 {
    let mut hasher = DefaultHasher::new();
    mail.raw.hash(&mut hasher);
    hasher.finish()
}

/// Which thread it belongs to, by this server: that of its `X-Thread` field.
fn thread_of(mail: &Mail) -> Option<u64> {
    let raw = String::from_utf8_lossy(&mail.raw);
    let line = raw
        .lines()
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix("X-Thread: "))?;
    line.trim().parse().ok()
}

/// The header's Message-ID, as it stands there, and the empty line.
fn message_id(raw: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    let mut is_it = false;
    for line in raw.split_inclusive(|b| *b == b'\n') {
        if line.trim_ascii().is_empty() {
            break;
        }
        let goes_on = line.first().is_some_and(|b| *b == b' ' || *b == b'\t');
        let name = line.get(..11).unwrap_or_default();
        is_it = if goes_on { is_it } else { name.eq_ignore_ascii_case(b"message-id:") };
        if is_it {
            fields.extend_from_slice(line);
        }
    }
    fields.extend_from_slice(b"\r\n");
    fields
}

#[cfg(test)]
mod tests {
    use super::{holds, message_id};

    #[test]
    fn fields() {
        let raw = b"Subject: x\r\nMessage-Id:\r\n <a>\r\nTo: y\r\n\r\nMessage-ID: no\r\n";
        assert_eq!(message_id(raw), b"Message-Id:\r\n <a>\r\n\r\n");
        assert_eq!(message_id(b""), b"\r\n");
    }

    #[test]
    fn sets() {
        assert!(
            holds("1:3,7", 7, 9) && holds("5:*", 9, 9) && holds("*", 9, 9) && holds("20:*", 9, 9)
        );
        assert!(!holds("1:3", 4, 9));
    }
}
