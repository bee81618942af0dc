//! What every message of a folder is recognised by, whatever its UID.

use crate::provider::imap::conn::Conn;
use crate::provider::imap::look::changes::index_limit;
use crate::provider::imap::look::parts;
use crate::provider::imap::wire::response::{FetchLine, Response};
use postrider_core::failure::Failure;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::UidValidity;
use postrider_core::mail::key::{Keyed, MatchKey};
use postrider_core::mime::message_id;
use postrider_core::provider::folders::FolderAnswer;

/// What a line tells of its message. What it does not tell as it was asked is nothing that any other
/// message is: no stored Message-ID holds a NUL.
pub(in crate::provider::imap) fn keyed(uid: u32, line: &FetchLine, with_size: bool) -> Keyed {
    let told = line.closed && line.header.is_some() && (line.size.is_some() || !with_size);
    let untold = || format!("\0{uid}");
    let header = line.header.as_deref().filter(|_| told);
    let id = header.map_or_else(|| Some(untold()), message_id);
    Keyed {
        uid,
        key: MatchKey::of(id.as_deref(), line.internal_date, line.size.filter(|_| with_size)),
    }
}

/// Message-ID, INTERNALDATE and, where it is exact, RFC822.SIZE of every message.
/// Source: RFC 3501 §6.4.5.
pub(in crate::provider::imap) async fn keys(
    conn: &mut Conn,
    remote_id: &WireName,
    uidvalidity: UidValidity,
    with_size: bool,
) -> Result<FolderAnswer, Failure> {
    conn.select(remote_id, uidvalidity).await?;
    let size = if with_size { " RFC822.SIZE" } else { "" };
    let items = format!("(UID INTERNALDATE{size} BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])");
    let limit = index_limit(conn.open.exists());
    let (mut rows, mut stray) = (Vec::new(), 0_usize);
    parts::fetch_all(conn, None, &items, |response| {
        match response {
            Response::Fetch(line) if !line.is_of_flags() => match line.uid {
                Some(uid) => rows.push(keyed(uid, &line, with_size)),
                None => stray += 1,
            },
            Response::Fetch(_) | Response::List { .. } => stray += 1,
            _ => {}
        }
        rows.len() + stray <= limit
    })
    .await?;
    rows.sort_by_key(|row| row.uid);
    rows.dedup_by_key(|row| row.uid);
    let exists = conn.open.exists();
    Ok(FolderAnswer::Keyed { remote_id: remote_id.clone(), rows, exists })
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::time::Micros;

    fn line(header: Option<&str>, size: Option<u64>) -> FetchLine {
        let header = header.map(|header| header.as_bytes().to_vec());
        FetchLine {
            header,
            size,
            internal_date: Some(Micros(7)),
            closed: true,
            ..Default::default()
        }
    }

    #[test]
    fn a_message_is_told_by_its_header_date_and_size() {
        let key = |id: Option<&str>, size| MatchKey::of(id, Some(Micros(7)), size);
        let told = keyed(3, &line(Some("Message-ID: <a@b>\r\n\r\n"), Some(9)), true);
        assert_eq!(told, Keyed { uid: 3, key: key(Some("a@b"), Some(9)) });
        let told = keyed(3, &line(Some("message-id:\r\n <a@b>\r\n\r\n"), Some(9)), false);
        assert_eq!(told.key, key(Some("a@b"), None), "sizes are estimates");
        assert_eq!(keyed(3, &line(Some("\r\n"), Some(9)), true).key, key(None, Some(9)));
    }

    #[test]
    fn what_is_not_told_is_like_nothing_else() {
        let nothing = MatchKey::of(None, Some(Micros(7)), Some(9));
        let open = FetchLine { closed: false, ..line(Some("\r\n"), Some(9)) };
        for untold in [line(None, Some(9)), line(Some("\r\n"), None), open] {
            let (one, other) = (keyed(3, &untold, true), keyed(4, &untold, true));
            assert!(one.key != nothing && one.key != other.key, "{untold:?}");
        }
    }
}
