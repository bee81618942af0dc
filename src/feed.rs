//! The feed: the public stream of events, in the order of their numbers. What an event looks like,
//! which of them there are and where a reader goes on is said here, for whoever delivers them.

mod data;
mod event;

pub(crate) use data::{EventDataView, PlaceView};
pub(crate) use event::EventView;

use crate::store::{EventNumbers, Reader};
use postrider_core::failure::Failure;

/// One request looks at so many numbers at most, whoever's events they are.
pub(crate) const LOOKED_AT: i64 = 10_000;

/// Some events, and the last number that was looked at.
#[derive(Debug)]
pub(crate) struct EventPage {
    pub(crate) events: Vec<EventView>,
    pub(crate) next: i64,
    /// There is none behind it yet.
    pub(crate) is_last: bool,
}

/// Why there is nothing behind a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// What followed it is no longer kept: the first that is.
    Gone { oldest: i64 },
    /// Nobody was told it by this database: the last that was.
    Ahead { newest: i64 },
}

impl Beyond {
    /// For people: what it is, and what to do.
    pub(crate) fn text(self, after: i64) -> String {
        match self {
            Self::Gone { oldest } => {
                let last = oldest - 1;
                format!(
                    "events up to {last} are no longer kept; begin again from a copy, then after={last}"
                )
            }
            Self::Ahead { newest } => format!(
                "the feed ends at {newest}: this is an older copy than the one that has told {after}. \
                 Begin again from a copy; who operates it starts it once with `serve --adopt`, so that no number is \
                 used twice"
            ),
        }
    }
}

/// Whether a reader that has come to this number can go on.
///
/// # Errors
/// Class storage.
pub(crate) async fn beyond(reader: &Reader, after: i64) -> Result<Option<Beyond>, Failure> {
    let EventNumbers { first: oldest, last: newest } = reader.event_span().await?;
    Ok(match after {
        0 => None,
        after if after < oldest - 1 => Some(Beyond::Gone { oldest }),
        after if after > newest => Some(Beyond::Ahead { newest }),
        _ => None,
    })
}

/// The events behind a number, so many at most: of all accounts, or an owner's.
///
/// # Errors
/// Class storage.
pub(crate) async fn page(
    reader: &Reader,
    after: i64,
    most: u32,
    owner: Option<&str>,
) -> Result<EventPage, Failure> {
    // Each up to the last was committed before it.
    let last = reader.event_span().await?.last;
    // Numbers that nobody has (a copy that goes on leaves a leap) are none that are looked at.
    let first = reader.first_event(after).await?.unwrap_or(last.saturating_add(1));
    let upto = last.min((first - 1).saturating_add(LOOKED_AT)).max(after);
    let rows = reader.stored_events((after, upto), owner, most).await?;
    let is_full = usize::try_from(most).is_ok_and(|most| rows.len() >= most);
    let next = rows.last().filter(|_| is_full).map_or(upto, |row| row.seq);
    let events = rows.iter().map(EventView::from).collect();
    Ok(EventPage { events, next, is_last: next >= last })
}
