//! A part of the feed, and where a reader goes on.

use crate::feed::filter::EventFilter;
use crate::store::{EventNumbers, Reader, StoredEvent};
use postrider_core::failure::Failure;
use postrider_core::time::Micros;
use postrider_core::wanted::{After, Kinds};

/// One request looks at so many numbers at most, whoever's events they are.
pub(crate) const LOOKED_AT: i64 = 10_000;

/// Some events, and the last number that was looked at.
#[derive(Debug)]
pub(crate) struct EventPage {
    pub(crate) rows: Vec<StoredEvent>,
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

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum NoPage {
    /// There is nothing behind that number.
    Beyond(Beyond),
    /// The database.
    Failed(Failure),
}

impl From<Failure> for NoPage {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The number behind which a reader begins.
///
/// # Errors
/// Class storage.
pub(crate) async fn begin(reader: &Reader, after: After) -> Result<i64, Failure> {
    match after {
        After::Number(number) => Ok(number),
        After::Oldest => Ok(reader.event_span().await?.first - 1),
        After::Now => Ok(reader.event_span().await?.last),
    }
}

/// The number behind which the first event of a time is, or a later one. Where the clock was set back meanwhile, one of
/// those.
///
/// # Errors
/// Class storage.
pub(crate) async fn since(reader: &Reader, at: Micros) -> Result<i64, Failure> {
    let EventNumbers { first, last } = reader.event_span().await?;
    // All up to `low` are older, and none behind `high` is.
    let (mut low, mut high) = (first - 1, last);
    while low < high {
        let middle = low + (high - low) / 2;
        match reader.event_times(middle, 1).await?.first() {
            Some(row) if row.at < at => low = row.seq,
            _ => high = middle,
        }
    }
    Ok(low)
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

    /// Whether who has come to this number cannot go on.
    fn of(after: i64, EventNumbers { first: oldest, last: newest }: &EventNumbers) -> Option<Self> {
        match after {
            after if after < oldest - 1 => Some(Self::Gone { oldest: *oldest }),
            after if after > *newest => Some(Self::Ahead { newest: *newest }),
            _ => None,
        }
    }
}

/// Whether who has come to this number cannot go on.
///
/// # Errors
/// Class storage.
pub(crate) async fn beyond(reader: &Reader, after: i64) -> Result<Option<Beyond>, Failure> {
    Ok(Beyond::of(after, &reader.event_span().await?))
}

/// The events behind a number, so many at most.
///
/// # Errors
/// [`NoPage`]: who has come to that number cannot go on, or the database cannot be asked.
pub(crate) async fn page(
    reader: &Reader,
    filter: &EventFilter,
    after: i64,
    most: u32,
) -> Result<EventPage, NoPage> {
    // Each up to the last was committed before it.
    let span = reader.event_span().await?;
    if let Some(beyond) = Beyond::of(after, &span) {
        return Err(NoPage::Beyond(beyond));
    }
    let last = span.last;
    // Numbers that nobody has (a copy that goes on leaves a leap) are none that are looked at.
    let first = reader.first_event(after).await?.unwrap_or(last.saturating_add(1));
    let upto = last.min((first - 1).saturating_add(LOOKED_AT)).max(after);
    let kinds = filter.kinds.as_ref().map(Kinds::words);
    let rows = reader.stored_events((after, upto), (filter.of(), kinds), most).await?;
    // What was deleted meanwhile is missing in no page.
    let oldest = reader.event_span().await?.first;
    if after < oldest - 1 {
        return Err(NoPage::Beyond(Beyond::Gone { oldest }));
    }
    let is_full = usize::try_from(most).is_ok_and(|most| rows.len() >= most);
    let next = rows.last().filter(|_| is_full).map_or(upto, |row| row.seq);
    let rows = rows.into_iter().filter(|row| filter.wants(row)).collect();
    Ok(EventPage { rows, next, is_last: next >= last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_behind_what_is_kept_or_before_what_was_told_begins_again() {
        let of = |after, first, last| Beyond::of(after, &EventNumbers { first, last });
        assert_eq!([of(0, 1, 0), of(0, 1, 9), of(9, 1, 9), of(4, 5, 9)], [None; 4]);
        assert_eq!(of(0, 5, 9), Some(Beyond::Gone { oldest: 5 }), "0 is a number like others");
        assert_eq!(of(3, 5, 9), Some(Beyond::Gone { oldest: 5 }));
        assert_eq!(of(10, 1, 9), Some(Beyond::Ahead { newest: 9 }));
        // All were deleted.
        assert_eq!([of(8, 10, 9), of(9, 10, 9)], [Some(Beyond::Gone { oldest: 10 }), None]);
    }
}
