//! What a folder that is open has told since: whether mail came, and nothing else happened but to
//! flags.

use crate::provider::imap::conn::Conn;
use crate::provider::imap::failure::During;
use crate::provider::imap::look::changes::{Changes, index_limit};
use crate::provider::imap::wire::response::{Condition, FetchLine, Response};
use postrider_core::failure::Failure;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::uid_flags::UidFlags;
use postrider_core::provider::folders::{Enough, Examined};
use postrider_core::provider::watch::Hint;

/// The counters of the folder that is open, which is not opened anew: EXISTS as it was told
/// meanwhile, and the UIDs from the last known UIDNEXT on; with their flags, and those that were
/// told of by themselves, where flags are asked for. None where that is not sure: it is not
/// open, something came or went while it was asked, or it is empty (some refuse `n:*` then).
pub(in crate::provider::imap) async fn counted_on(
    conn: &mut Conn,
    remote_id: &WireName,
    enough: Enough,
) -> Result<Option<(Examined, UidFlags)>, Failure> {
    let open = conn.open.selected().filter(|open| open.remote_id == *remote_id);
    let is_able = open.is_some_and(|open| !open.examined.inferred && open.exists > 0);
    if !is_able || enough == Enough::Nothing {
        return Ok(None);
    }
    let with_flags = enough == Enough::Flags;
    let hint = conn.open.take_unasked();
    let mut commands = Vec::new();
    if with_flags {
        if conn.open.touched().has_numbers() {
            if conn.notices.on {
                // What goes is told at any time, and numbers are never sure (RFC 5465 §5.3).
                return Ok(None);
            }
            // Numbers are what they are when it has been told what went (RFC 3501 §5.5).
            conn.command("NOOP", During::Other).await?;
        }
        let Some((numbers, uids)) = conn.open.touched().take() else { return Ok(None) };
        if !numbers.is_empty() {
            commands.push(format!("FETCH {numbers} (UID FLAGS)").into_bytes());
        }
        if !uids.is_empty() {
            commands.push(format!("UID FETCH {uids} (UID FLAGS)").into_bytes());
        }
    }
    let Some(open) = conn.open.selected() else { return Ok(None) };
    let (mut examined, limit) = (open.examined, index_limit(open.exists));
    examined.exists = open.exists;
    let items = if with_flags { "(UID FLAGS)" } else { "(UID)" };
    commands.push(format!("UID FETCH {}:* {items}", examined.uidnext).into_bytes());
    let mut changes = Changes::up_to(limit);
    let mut is_sure = true;
    conn.open.leave_unasked(None);
    conn.open.asks_flags(with_flags);
    // One after the other: some answer what was sent together in an order of their own.
    for command in commands {
        let tag = conn.send(&command, false).await?;
        let told = conn.until_more(&tag, |response| {
            if let Response::Fetch(FetchLine { uid: Some(uid), closed: true, .. }) = &response {
                examined.uidnext = examined.uidnext.max(uid.saturating_add(1));
            }
            changes.take(response)
        });
        is_sure &= told.await?.status == Condition::Ok;
    }
    conn.open.asks_flags(false);
    let told = conn.open.take_unasked();
    is_sure &= told != Some(Hint::Counts);
    // Flags that nobody has asked for are still to be looked at.
    let unseen = hint.filter(|hint| !with_flags && *hint == Hint::Flags);
    conn.open.leave_unasked(told.or(unseen));
    if is_sure {
        conn.open.counted(examined);
    }
    let rows = match enough {
        Enough::Flags => changes.told(false).map(|told| told.rows),
        _ => Some(UidFlags::default()),
    };
    Ok(rows.filter(|_| is_sure).map(|rows| (examined, rows)))
}
