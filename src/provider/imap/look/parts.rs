//! Questions about all of a folder, to servers that answer for a part at a time (RFC 9738).

use crate::provider::imap::conn::{Conn, endless};
use crate::provider::imap::failure::{During, refusal};
use crate::provider::imap::wire::response::{Condition, Response, Told};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::uid_set::UidSet;

/// What an answer was about.
#[derive(Debug, PartialEq, Eq)]
enum Answered {
    /// All that was asked for.
    Whole,
    /// What is at or above this UID: the rest is to be asked for.
    Down(u32),
    /// A part, and nobody knows which.
    Part,
}

fn answered(told: &Told) -> Answered {
    let mut words = told.code.as_deref().unwrap_or_default().split(' ');
    if !words.next().unwrap_or_default().eq_ignore_ascii_case("MESSAGELIMIT") {
        return Answered::Whole;
    }
    match words.nth(1).and_then(|uid| uid.parse().ok()) {
        Some(lowest) if lowest > 0 => Answered::Down(lowest),
        _ => Answered::Part,
    }
}

/// OK, and not only for a part: else what an answer lacks would be taken for gone.
pub(in crate::provider::imap) fn whole(told: &Told) -> Result<(), Failure> {
    if told.status != Condition::Ok {
        return Err(refusal(told, During::Folder));
    }
    if answered(told) != Answered::Whole {
        let text = "the server answers only for a part of the folder (MESSAGELIMIT)";
        return Err(Failure::new(Class::Provider, Reach::Folder, Provenance::Server, text));
    }
    Ok(())
}

/// UID FETCH of these, or of all; where the server answers for its newest messages alone, of what
/// is below those, until there is nothing below. `each` says whether there may be more.
pub(in crate::provider::imap) async fn fetch_all(
    conn: &mut Conn,
    uids: Option<&UidSet>,
    items: &str,
    each: impl FnMut(Response) -> bool,
) -> Result<(), Failure> {
    whole(&fetch_down(conn, uids, items, each).await?)
}

/// The same, with the words at its end, whatever they are.
pub(in crate::provider::imap) async fn fetch_down(
    conn: &mut Conn,
    uids: Option<&UidSet>,
    items: &str,
    mut each: impl FnMut(Response) -> bool,
) -> Result<Told, Failure> {
    let mut which = uids.map_or_else(|| "1:*".to_owned(), UidSet::to_string);
    let mut above = u32::MAX;
    loop {
        let tag = conn.send(format!("UID FETCH {which} {items}").as_bytes(), false).await?;
        let mut rows = 0_usize;
        let told = conn
            .until_more(&tag, |response| {
                rows += usize::from(matches!(response, Response::Fetch(_)));
                each(response)
            })
            .await?;
        let lowest = match answered(&told) {
            Answered::Down(lowest) if told.status == Condition::Ok => lowest,
            _ => return Ok(told),
        };
        if lowest >= above || rows == 0 {
            // It does not come nearer to its end.
            return Err(endless());
        }
        above = lowest;
        let below = UidSet::range(1, lowest.saturating_sub(1));
        let rest = uids.map_or_else(|| below.clone(), |uids| uids.intersect(&below));
        if rest.is_empty() {
            return Ok(Told { code: None, ..told });
        }
        which = rest.to_string();
    }
}
