//! NOTIFY (RFC 5465): one session is told of every folder.

use crate::provider::imap::conn::{Conn, MAX_UNSOLICITED};
use crate::provider::imap::wire::response::Condition;
use postrider_core::failure::Failure;

/// A server that has told so often that it cannot tell everything is not asked to again.
const OVERFLOWS: u8 = 3;

/// What is asked for: all of it, or what no server that has the extension may refuse (RFC 5465 §5).
/// With how every folder stands now: it closes the gap since its last pass.
const EVENTS: [&str; 2] = [
    "NOTIFY SET STATUS (selected (MessageNew MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge FlagChange MailboxName))",
    "NOTIFY SET STATUS (selected (MessageNew MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge))",
];

/// Asks the server to tell of every folder, where it offers that. Returns whether it does.
///
/// # Errors
/// What ended the session.
pub(in crate::provider::imap) async fn listen_everywhere(conn: &mut Conn) -> Result<bool, Failure> {
    if conn.notices.on || !conn.has("NOTIFY") {
        return Ok(conn.notices.on);
    }
    let is_believed = conn.notices.overflows < OVERFLOWS;
    for events in EVENTS.iter().filter(|_| is_believed) {
        // What is told with the answer counts.
        conn.notices.on = true;
        let tag = conn.send(events.as_bytes(), false).await?;
        let mut lines = 0_usize;
        let each = |_| {
            lines += 1;
            lines <= MAX_UNSOLICITED
        };
        let told = conn.until_more(&tag, each).await?;
        if told.status == Condition::Ok {
            return Ok(conn.notices.on);
        }
        conn.notices.on = false;
    }
    conn.offered.distrust(&["NOTIFY"]);
    Ok(false)
}
