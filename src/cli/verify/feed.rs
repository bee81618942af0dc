//! `verify` where changes are told by message id: every list of the server beside what is held; what
//! differs is asked about by name before it is a difference.

use crate::provider::OpenSession;
use crate::store::{FailureReader, FeedStanding, Reader};
use crate::verify::Reports;
use postrider_core::commit::rows::FolderRow;
use postrider_core::failure::Failure;
use postrider_core::mail::feed::{FeedCursor, PlaceId};
use postrider_core::mail::flags::Flags;
use postrider_core::mail::folder::Role;
use postrider_core::mail::id::{AccountId, FolderId, Identity};
use postrider_core::provider::Answer;
use postrider_core::provider::feeds::{
    FeedAnswer, FeedRequest, FlagLabel, Got, ListedPlace, Onward, SeenState, WantedMail, Within,
};
use postrider_core::run::reads::{FeedFound, FeedQuery, KnownMail};
use std::collections::{BTreeMap, BTreeSet};

/// Rows that are read at a time.
const PIECE_ROWS: usize = 1000;
/// Pages of one question: more than any mailbox has.
const PAGES: usize = 20_000;

/// What is compared.
pub(super) struct Sides<'a> {
    pub(super) session: &'a mut OpenSession,
    pub(super) reader: &'a Reader,
    pub(super) account: AccountId,
    /// Every folder, those that the config leaves out too.
    pub(super) folders: &'a [FolderRow],
    /// Where the changes have been read to.
    pub(super) cursor: Option<FeedCursor>,
    /// Everything was listed once.
    pub(super) listed: bool,
}

fn odd() -> Failure {
    Failure::bug("another answer than asked for")
}

async fn ask(session: &mut OpenSession, request: FeedRequest) -> Result<FeedAnswer, Failure> {
    match session.answer(request).await? {
        Answer::Feed(answer) => Ok(answer),
        _ => Err(odd()),
    }
}

/// What a list shows, with its state where lists show that.
type Shown = BTreeMap<Identity, Option<SeenState>>;

async fn list(session: &mut OpenSession, within: Within) -> Result<Shown, Failure> {
    let mut found = Shown::new();
    let mut token = None;
    for _ in 0..PAGES {
        match ask(session, FeedRequest::List { within: within.clone(), token }).await? {
            FeedAnswer::Page { rows, next } => {
                found.extend(rows.into_iter().map(|row| (row.id, row.state)));
                token = next;
            }
            FeedAnswer::NoPlace => return Ok(found),
            FeedAnswer::TokenDead => {
                found.clear();
                token = None;
                continue;
            }
            _ => return Err(odd()),
        }
        if token.is_none() {
            return Ok(found);
        }
    }
    Err(Failure::bug("a list has no end"))
}

/// What has been changed and is not synced yet; none where the server has forgotten.
async fn behind(
    session: &mut OpenSession,
    since: FeedCursor,
) -> Result<Option<BTreeSet<Identity>>, Failure> {
    let (mut since, mut token, mut changed) = (since, None, BTreeSet::new());
    for _ in 0..PAGES {
        let request =
            FeedRequest::Changes { place: None, since: Some(since.clone()), token: token.take() };
        match ask(session, request).await? {
            FeedAnswer::Changed { items, next } => {
                changed.extend(items.into_iter().map(|item| item.id));
                match next {
                    Onward::Page(next) => token = Some(next),
                    Onward::Cursor { cursor, more: true } if cursor != since => since = cursor,
                    Onward::Cursor { .. } => return Ok(Some(changed)),
                }
            }
            FeedAnswer::Expired => return Ok(None),
            FeedAnswer::TokenDead => changed.clear(),
            _ => return Err(odd()),
        }
    }
    Ok(Some(changed))
}

async fn held(reader: &Reader, account: AccountId) -> Result<Vec<KnownMail>, Failure> {
    let mut all: Vec<KnownMail> = Vec::new();
    loop {
        let after = all.last().map(|row| row.id.clone());
        let query = FeedQuery::Held { after, limit: PIECE_ROWS };
        let FeedFound::Held(rows) = reader.feed(account, query).await? else { return Err(odd()) };
        if rows.is_empty() {
            return Ok(all);
        }
        all.extend(rows);
    }
}

/// What of some ids is owed; or away, or left out by hand, and nothing is to be read.
async fn owed(
    reader: &Reader,
    account: AccountId,
    ids: Vec<Identity>,
) -> Result<BTreeMap<Identity, bool>, Failure> {
    let mut found = BTreeMap::new();
    for piece in ids.chunks(PIECE_ROWS) {
        let query = FeedQuery::Known { ids: piece.to_vec(), whole: false };
        let FeedFound::Known(rows) = reader.feed(account, query).await? else { return Err(odd()) };
        found.extend(rows.into_iter().filter(|row| row.owed).map(|row| (row.id, row.away)));
    }
    for id in FailureReader::new(reader).left_out_of_feed(account).await? {
        found.entry(id).and_modify(|is_none_to_read| *is_none_to_read = true);
    }
    Ok(found)
}

/// The places of a message, and its flags, as a mirror of it is to have them.
fn wanted(
    state: &SeenState,
    folders: &[FolderRow],
    derived: Option<&PlaceId>,
) -> BTreeSet<FolderId> {
    let of = |id: &PlaceId| folders.iter().find(|row| *row.remote_id == *id.0.as_bytes());
    let rows: Vec<&FolderRow> = state.places.iter().filter_map(of).collect();
    let is_apart = |row: &&FolderRow| {
        matches!(row.role, Some(Role::Trash | Role::Junk | Role::Chats)) && derived.is_some()
    };
    if rows.iter().any(|row| is_apart(row) && row.excluded) {
        return BTreeSet::new();
    }
    let rest = derived.filter(|_| !rows.iter().any(is_apart)).and_then(of);
    rows.into_iter().chain(rest).filter(|row| !row.excluded).map(|row| row.id).collect()
}

/// What is known to be missing without asking the server; none where nothing is.
pub(super) fn unread(standing: &FeedStanding) -> Option<String> {
    let unread = standing.due + standing.failed;
    if !standing.state.listed {
        return Some("not every message of the server is listed yet".to_owned());
    }
    (unread > 0).then(|| format!("{unread} messages are still to be read"))
}

/// Where a mailbox's messages may lie.
struct Placed<'a> {
    places: &'a [ListedPlace],
    /// The one that is computed.
    derived: Option<&'a PlaceId>,
    folders: &'a [FolderRow],
    all: &'a Shown,
}

/// The messages that lie elsewhere on the server than here.
async fn misplaced(
    session: &mut OpenSession,
    rows: &[KnownMail],
    placed: Placed<'_>,
    unproved: &mut Vec<String>,
) -> Result<BTreeSet<Identity>, Failure> {
    let Placed { places, derived, folders, all } = placed;
    let (mut doubts, mut apart) = (BTreeSet::<Identity>::new(), BTreeSet::<Identity>::new());
    for place in places {
        let Some(row) = folders.iter().find(|f| *f.remote_id == *place.id.0.as_bytes()) else {
            unproved.push(format!("{} has come since the last sync", place.path));
            continue;
        };
        let is_apart =
            derived.is_some() && matches!(row.role, Some(Role::Trash | Role::Junk | Role::Chats));
        if Some(&place.id) == derived || (row.excluded && !is_apart) {
            continue;
        }
        let shown = list(session, Within::Place(place.id.clone())).await?;
        let differs = rows.iter().filter(|r| {
            let held = !row.excluded && r.places.contains(&row.id);
            // What is held of what is left out lies nowhere here.
            held != shown.contains_key(&r.id) && !(row.excluded && r.places.is_empty())
        });
        doubts.extend(differs.map(|row| row.id.clone()));
        if is_apart {
            apart.extend(shown.into_keys());
        }
    }
    // What is computed is what lies in neither.
    let computed = derived.and_then(|id| folders.iter().find(|f| *f.remote_id == *id.0.as_bytes()));
    if let Some(row) = computed.filter(|row| !row.excluded) {
        let differs = rows.iter().filter(|r| {
            let lies = all.contains_key(&r.id) && !apart.contains(&r.id);
            r.places.contains(&row.id) != lies
        });
        doubts.extend(differs.map(|row| row.id.clone()));
    }
    Ok(doubts)
}

/// The messages with other flags on the server than here.
async fn misflagged(
    session: &mut OpenSession,
    rows: &[KnownMail],
    labels: Vec<FlagLabel>,
) -> Result<BTreeSet<Identity>, Failure> {
    let mut doubts = BTreeSet::new();
    // A flag that no label stands for is not the server's.
    let known = labels.iter().fold(Flags::default(), |all, label| all.with(&label.flag));
    let strangers = rows.iter().filter(|row| row.flags.without(&known) != Flags::default());
    doubts.extend(strangers.map(|row| row.id.clone()));
    for FlagLabel { id, flag, inverted } in labels {
        let shown = list(session, Within::Label(id)).await?;
        let apart = rows.iter().filter(|row| {
            !row.places.is_empty()
                && (row.flags.contain(&flag) != inverted) != shown.contains_key(&row.id)
        });
        doubts.extend(apart.map(|row| row.id.clone()));
    }
    Ok(doubts)
}

/// The messages whose state is another in a list that shows states.
fn differing(
    rows: &[KnownMail],
    all: &Shown,
    (folders, derived): (&[FolderRow], Option<&PlaceId>),
) -> BTreeSet<Identity> {
    let is_other = |row: &&KnownMail| match all.get(&row.id) {
        // What is kept where nobody looks lies nowhere here; what is absent is asked about anyway.
        None => false,
        // A state that is not told is no other one.
        Some(None) => false,
        Some(Some(state)) => {
            let theirs = wanted(state, folders, derived);
            theirs != row.places || (!theirs.is_empty() && state.flags != row.flags)
        }
    };
    rows.iter().filter(is_other).map(|row| row.id.clone()).collect()
}

/// Compares with the server.
pub(super) async fn online(sides: Sides<'_>, reports: &mut Reports) -> Result<(), Failure> {
    let Sides { session, reader, account, folders, cursor, listed } = sides;
    let (mut unproved, mut changed) = (Vec::new(), BTreeSet::new());
    let shows_state = session.capabilities().feed.shows_state;
    if let Some(cursor) = cursor {
        match behind(session, cursor).await? {
            Some(found) => changed = found,
            None => {
                let text = "the server has forgotten what changed since the last sync";
                unproved.push(text.to_owned());
            }
        }
    }
    let FeedAnswer::Placed { places, labels, derived, .. } =
        ask(session, FeedRequest::Places).await?
    else {
        return Err(odd());
    };
    let all = list(session, Within::All).await?;
    unproved.extend(unlisted(session));
    let rows = held(reader, account).await?;
    let mut doubts = BTreeSet::<Identity>::new();
    for row in rows.iter().filter(|row| !row.places.is_empty() && !all.contains_key(&row.id)) {
        doubts.insert(row.id.clone());
    }
    let ours: BTreeMap<&Identity, &KnownMail> = rows.iter().map(|row| (&row.id, row)).collect();
    let strange: Vec<Identity> = all.keys().filter(|id| !ours.contains_key(*id)).cloned().collect();
    let waiting = owed(reader, account, strange.clone()).await?;
    if shows_state {
        let differing = differing(&rows, &all, (folders, derived.as_ref()));
        // What a window shows has changed only where it differs.
        let is_strange = |id: &Identity| !ours.contains_key(id) && !waiting.contains_key(id);
        changed.retain(|id| differing.contains(id) || is_strange(id));
        doubts.extend(differing);
    } else {
        let placed = Placed { places: &places, derived: derived.as_ref(), folders, all: &all };
        doubts.extend(misplaced(session, &rows, placed, &mut unproved).await?);
        doubts.extend(misflagged(session, &rows, labels).await?);
    }
    if !changed.is_empty() {
        let text = format!(
            "{} messages have changed since the last sync: `postrider sync-now` takes them in",
            changed.len()
        );
        unproved.push(text);
    }
    let unread = waiting.values().filter(|away| !**away).count();
    if unread > 0 {
        unproved.push(format!("{unread} messages are still to be read"));
    }
    // What no list has shown us yet is no difference while the first one goes on.
    if listed {
        doubts.extend(strange.into_iter().filter(|id| !waiting.contains_key(id)));
    } else {
        unproved.push(format!("{} messages of the server are not listed yet", strange.len()));
    }
    let settling: BTreeSet<&Identity> =
        rows.iter().filter(|row| row.owed).map(|row| &row.id).collect();
    if !settling.is_empty() {
        unproved.push(format!("{} messages are asked about once more by the next runs, since they changed while they were read: verify again then", settling.len()));
    }
    doubts.retain(|id| !changed.contains(id) && !settling.contains(id));
    ask_about(session, doubts, (&ours, folders, derived.as_ref()), reports).await?;
    for report in reports.values_mut() {
        report.unproved.extend(unproved.iter().cloned());
    }
    Ok(())
}

/// What a list of everything could not show.
fn unlisted(session: &OpenSession) -> Option<String> {
    let folders = Some(session.unlisted()).filter(|n| *n > 0)?;
    Some(format!("{folders} folders could not be listed whole; the log says which"))
}

/// Asks about each of these by name, and says what differs.
async fn ask_about(
    session: &mut OpenSession,
    doubts: BTreeSet<Identity>,
    (ours, folders, derived): (&BTreeMap<&Identity, &KnownMail>, &[FolderRow], Option<&PlaceId>),
    reports: &mut Reports,
) -> Result<(), Failure> {
    for id in doubts {
        let wanted_mail = vec![WantedMail { id: id.clone(), bytes: false, tried: false }];
        let request = FeedRequest::Get {
            wanted: wanted_mail,
            lane: postrider_core::budget::Lane::Live,
            suspect: false,
        };
        let FeedAnswer::Got { found, .. } = ask(session, request).await? else {
            return Err(odd());
        };
        let got = found.into_iter().next().map(|(_, got)| got);
        judge(&id, got, ours.get(&id).copied(), (folders, derived), reports);
    }
    Ok(())
}

/// What the server says of one message, beside what is held.
fn judge(
    id: &Identity,
    got: Option<Got>,
    row: Option<&KnownMail>,
    (folders, derived): (&[FolderRow], Option<&PlaceId>),
    reports: &mut Reports,
) {
    let nothing = BTreeSet::new();
    let ours = row.map_or(&nothing, |row| &row.places);
    let mut say = |place: &FolderId, text: String| {
        let report = reports.entry(place.0).or_default();
        report.differences.push(text);
    };
    match got {
        Some(Got::Found(found)) => {
            let theirs = wanted(&found.state, folders, derived);
            for place in theirs.difference(ours) {
                say(place, format!("{}: the server has it here, we do not", id.0));
            }
            for place in ours.difference(&theirs) {
                say(place, format!("{}: we have it here, the server does not", id.0));
            }
            let (held, told) = (row.map(|row| &row.flags), &found.state.flags);
            if let Some((held, place)) = held.zip(ours.intersection(&theirs).next())
                && held != told
            {
                say(place, format!("{}: flags [{held}], the server says [{told}]", id.0));
            }
        }
        Some(Got::Missing) => {
            for place in ours {
                say(place, format!("{}: we have it, the server does not", id.0));
            }
        }
        Some(Got::Failed { text, .. }) => {
            if let Some(report) = reports.values_mut().next() {
                report.unproved.push(format!("{}: {text}", id.0));
            }
        }
        None => {}
    }
}
