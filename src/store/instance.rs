//! A copy does not sync by accident: database and data folder hold the same random id.

use crate::config::Place;
use crate::config::place::NOTED;
use crate::store::connect::Database;
use crate::store::disagreement::Disagreement;
use crate::store::failure::Trouble;
use crate::store::sql::postgres::server::error_of;
use crate::store::sql::setting::{
    ForgetSetting, LeapAccounts, LeapCounters, LeapRow, NextEvent, NextSeq, PutSetting, Setting,
};
use crate::store::transaction::Sql;
use postrider_core::mail::body::SPARED_PACK;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How far numbers leap when a copy becomes a mirror of its own, or an older database was put back: none of an
/// event, a message, a folder or an account is ever used twice.
pub(super) const LEAP: i64 = 1 << 32;

/// Names the packs that a start has gone on without.
const LACKING: &str = "bodies_lacking";

impl From<Trouble> for Disagreement {
    fn from(why: Trouble) -> Self {
        match why {
            Trouble::Folder(why) => why,
            why => Self::Database(error_of(why)),
        }
    }
}

async fn stored(db: &impl Sql, name: &str) -> Result<Option<String>, Trouble> {
    Ok(db.ask_one(Setting { name: name.into() }).await?.map(|kept| kept.value))
}

fn next_of(counter: Option<NextSeq>) -> i64 {
    counter.map_or(1, |event| event.next)
}

fn setting(name: &str, value: impl ToString) -> PutSetting {
    PutSetting { name: name.into(), value: value.to_string() }
}

/// All numbers go on further up: what was told names messages and folders, too. Where those of events leap is a row.
pub(super) async fn leap_over(db: &impl Sql, by: i64) -> Result<(), Trouble> {
    db.put(LeapRow { by }).await?;
    db.put(LeapCounters { by }).await?;
    let leapt = db.ask_one(LeapAccounts { by }).await?;
    let stays = || Trouble::Damaged("the numbers of accounts do not go on further up".into());
    leapt.map(|_| ()).ok_or_else(stays)
}

/// A small file of ours; `None` where there is none. One that cannot be read is not one that is not
/// there.
fn read(file: PathBuf) -> Result<Option<String>, Disagreement> {
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Disagreement::Io { file, source }),
    }
}

/// What the data folder knows of earlier starts: how many there were, and the event counter at the
/// last clean stop.
fn read_starts(data_dir: &Path) -> Result<(i64, i64), Disagreement> {
    let file = data_dir.join("starts");
    let Some(text) = read(file.clone())? else { return Ok((0, 0)) };
    let numbers = text
        .split_once(' ')
        .and_then(|(starts, event)| Some((starts.parse().ok()?, event.parse().ok()?)));
    let damaged = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "it should hold two numbers: restore it, or delete it",
        )
    };
    numbers.ok_or_else(|| Disagreement::Io { file, source: damaged() })
}

/// A file that is written anew, and renamed when it is whole.
fn open_half(half: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(NO_LINKS).open(half)
}

fn write_durably(dir: &Path, name: &str, text: &str) -> Result<(), Disagreement> {
    let (file, half) = (dir.join(name), dir.join(format!("{name}.half")));
    let put = || -> io::Result<()> {
        let mut out = open_half(&half)?;
        writeln!(out, "{text}")?;
        out.sync_all()?;
        std::fs::rename(&half, &file)?;
        File::open(dir)?.sync_all()
    };
    put().map_err(|source| Disagreement::Io { file: file.clone(), source })
}

/// `O_NOFOLLOW`: a link that somebody laid in a data folder that others may write to is not
/// followed.
const NO_LINKS: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// A start that is to be counted before anything is stored that a copy of the database could lack: one
/// that only looks costs no sync of the disk. Counted twice, it is one.
#[derive(Clone, Debug)]
pub struct StartCount {
    data_dir: PathBuf,
    starts: i64,
    event: i64,
}

impl StartCount {
    /// Counts it.
    ///
    /// # Errors
    /// [`Disagreement`], by variant; what comes after it is not to be stored.
    #[expect(clippy::disallowed_methods, reason = "its end is waited for here")]
    pub async fn count(&self, db: &Database) -> Result<(), Disagreement> {
        let Self { data_dir, starts, event } = self;
        db.writer.put(setting("starts", starts)).await?;
        let (dir, text) = (data_dir.clone(), format!("{starts} {event}"));
        // A folder that hangs holds no thread of the runtime.
        let written = tokio::task::spawn_blocking(move || write_durably(&dir, "starts", &text));
        let file = data_dir.join("starts");
        let gone = |e| Disagreement::Io { file, source: io::Error::other(e) };
        written.await.map_err(gone)?
    }
}

/// Looks which start this is. A database that is behind the data folder is an older copy that was put back
/// in place: its event numbers leap, since those that follow are taken, and that start is counted at once.
async fn look_at_starts(
    db: &Database,
    data_dir: &Path,
) -> Result<(bool, StartCount), Disagreement> {
    let (starts, event) = read_starts(data_dir)?;
    let known: i64 = stored(&db.writer, "starts").await?.and_then(|n| n.parse().ok()).unwrap_or(0);
    let next = next_of(db.writer.ask_one(NextEvent {}).await?);
    let is_older = starts > known || event > next;
    let starts = starts.max(known) + 1;
    let start = StartCount { data_dir: data_dir.to_owned(), starts, event };
    // That it cannot be counted is said now, not behind the first thing that cannot be stored.
    let file = data_dir.join("starts.half");
    let can = open_half(&file).and_then(|_| std::fs::remove_file(&file));
    can.map_err(|source| Disagreement::Io { file, source })?;
    let has_crashed = event != next && read(data_dir.join("starts"))?.is_some();
    if has_crashed && !is_older {
        // Of what was told since the file was written it knows nothing: a copy from then on is older.
        start.count(db).await?;
    }
    if is_older {
        tracing::warn!(
            "the database is an older copy than the one this data folder had: its numbers go on further up"
        );
        let tx = db.begin().await?;
        leap_over(&tx, LEAP + (event - next).max(0)).await?;
        tx.put(setting("starts", starts)).await?;
        tx.commit().await?;
        start.count(db).await?;
    }
    Ok((is_older, start))
}

/// Notes where the database of a data folder is, for whoever is told only the folder: the URL of a server, without
/// its password.
///
/// # Errors
/// [`Disagreement`], by variant: whoever is told only the folder does not find the database.
pub fn note_place(db: &Database, data_dir: &Path) -> Result<(), Disagreement> {
    let file = data_dir.join(NOTED);
    match db.place() {
        Place::Server(server) if read(file.clone())?.as_deref() == Some(&*server.shown) => Ok(()),
        Place::Server(server) => write_durably(data_dir, NOTED, &server.shown),
        Place::File(_) => match std::fs::remove_file(&file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Disagreement::Io { file, source: e })
            }
            _ => Ok(()),
        },
    }
}

/// A clean stop: the data folder learns how far event numbers have come.
///
/// # Errors
/// [`Disagreement`], by variant: the next start knows less.
pub async fn note_stop(db: &Database, data_dir: &Path) -> Result<(), Disagreement> {
    let next = next_of(db.readers.ask_one(NextEvent {}).await?);
    let (starts, known) = read_starts(data_dir)?;
    // Where nothing has happened there is nothing to learn.
    if known == next {
        return Ok(());
    }
    write_durably(data_dir, "starts", &format!("{starts} {next}"))
}

/// Refuses a bodies folder that is another mirror's, or that lacks packs, or bytes of one, which the
/// database names: a volume that is not mounted, half a restore, bodies of an older copy.
///
/// # Errors
/// [`Disagreement`], by variant; nothing has changed.
pub async fn own_bodies(
    db: &Database,
    data_dir: &Path,
    bodies: &Path,
    named: &BTreeMap<i64, u64>,
) -> Result<(), Disagreement> {
    let cure = "To go on all the same, start it once with --adopt; to only look into it, use `postrider serve --no-sync`";
    // Either will do here: whether these two agree is a question of its own.
    let ours = [read(data_dir.join("instance"))?, stored(&db.writer, "instance").await?];
    let theirs = read(bodies.join("instance"))?;
    if theirs.is_some() && !ours.contains(&theirs) {
        let text = format!(
            "the bodies folder {} is another mirror's: give each its own. {cure}",
            bodies.display()
        );
        return Err(Disagreement::Bodies(text));
    }
    let excused = excused(db).await?;
    let lacking = lacking(bodies, named)?;
    match lacking.iter().find(|(pack, _)| !excused.contains(pack)) {
        Some((_, what)) => Err(Disagreement::Bodies(format!("{what} {cure}"))),
        None => Ok(()),
    }
}

/// The packs that a start with `--adopt` has gone on without.
async fn excused(db: &Database) -> Result<BTreeSet<i64>, Disagreement> {
    let kept = stored(&db.writer, LACKING).await?.unwrap_or_default();
    Ok(kept.split(' ').filter_map(|pack| pack.parse().ok()).collect())
}

/// The packs that lack, or lack bytes which the database names, each with words for it.
fn lacking(
    bodies: &Path,
    named: &BTreeMap<i64, u64>,
) -> Result<BTreeMap<i64, String>, Disagreement> {
    let mut lacking = BTreeMap::new();
    for (pack, end) in named {
        let file = bodies.join(format!("{pack:010}.pack"));
        let what = match std::fs::metadata(&file) {
            // Of bytes that are lost already nothing is missed.
            Ok(told) if told.len() >= *end || *end >= SPARED_PACK => continue,
            Err(e) if e.kind() == io::ErrorKind::NotFound && *end == SPARED_PACK => continue,
            Ok(told) => format!(
                "pack {pack} in {} ends at {}, and the database names bytes up to {end}: are the bodies older than the \
                 database?",
                bodies.display(),
                told.len()
            ),
            Err(e) if e.kind() == io::ErrorKind::NotFound => format!(
                "pack {pack}, which the database names, is not in {}: is it mounted, and is the restore whole?",
                bodies.display()
            ),
            Err(source) => return Err(Disagreement::Io { file, source }),
        };
        lacking.insert(*pack, what);
    }
    Ok(lacking)
}

/// A start that goes on: what the bodies lack now, and nothing else, is no reason to refuse the next one.
///
/// # Errors
/// [`Disagreement`], by variant.
pub async fn excuse_bodies(
    db: &Database,
    bodies: &Path,
    named: &BTreeMap<i64, u64>,
) -> Result<(), Disagreement> {
    let lacking: BTreeSet<i64> = lacking(bodies, named)?.into_keys().collect();
    if lacking != excused(db).await? {
        let packs: Vec<String> = lacking.iter().map(ToString::to_string).collect();
        db.writer.put(setting(LACKING, packs.join(" "))).await?;
    }
    if !lacking.is_empty() {
        tracing::warn!(
            "{} pack(s) that the database names are not whole in {}: their mails are held without their bytes; \
             `postrider verify ACCOUNT --offline` names them",
            lacking.len(),
            bodies.display()
        );
    }
    Ok(())
}

/// Writes whose bodies they are. What lay there before is not ours to unlink, nor is what a newer
/// copy of the database may name: returns the highest number of those packs.
///
/// # Errors
/// [`Disagreement`], by variant.
pub async fn mark_bodies(
    db: &Database,
    bodies: &Path,
    id: &str,
    highest: i64,
    is_older: bool,
) -> Result<i64, Disagreement> {
    let known = read(bodies.join("instance"))?;
    if known.is_some_and(|known| known == id) && !is_older {
        return Ok(stored(&db.writer, "bodies_from")
            .await?
            .and_then(|n| n.parse().ok())
            .unwrap_or(0));
    }
    db.writer.put(setting("bodies_from", highest)).await?;
    write_durably(bodies, "instance", id)?;
    Ok(highest)
}

/// Whether a mirror's bodies are where they were marked: another volume, or none, is no damage.
#[must_use]
pub fn bodies_are_there(bodies: &Path, id: &str) -> bool {
    matches!(read(bodies.join("instance")), Ok(Some(known)) if known == id)
}

/// Writes the id into both. The database says `pending` until the file is durable, so that a cut in
/// between is no copy.
async fn write(db: &Database, data_dir: &Path, leap: i64) -> Result<String, Disagreement> {
    let id = uuid::Uuid::new_v4().to_string();
    let tx = db.begin().await?;
    for (name, value) in [("instance", id.as_str()), ("instance_pending", "1")] {
        tx.put(setting(name, value)).await?;
    }
    if leap > 0 {
        leap_over(&tx, leap).await?;
    }
    tx.commit().await?;
    settle(db, data_dir, &id).await?;
    Ok(id)
}

async fn settle(db: &Database, data_dir: &Path, id: &str) -> Result<(), Disagreement> {
    write_durably(data_dir, "instance", id)?;
    db.writer.put(ForgetSetting { name: "instance_pending".into() }).await?;
    Ok(())
}

fn differ(db: &Database, data_dir: &Path, is_empty: bool) -> Disagreement {
    let (database, folder) = (db.place(), data_dir.to_owned());
    match is_empty {
        true => Disagreement::Empty { database, folder },
        false => Disagreement::Differ { database, folder },
    }
}

/// Refuses a data folder that does not belong to the database, or lacks bodies that this names: before anything is
/// taken from whoever has it now.
///
/// # Errors
/// [`Disagreement`], by variant; nothing has changed.
pub async fn belongs(db: &Database, data_dir: &Path) -> Result<(), Disagreement> {
    let ours = read(data_dir.join("instance"))?;
    let theirs = stored(&db.writer, "instance").await?;
    if ours.is_none() || theirs != ours {
        return Err(differ(db, data_dir, theirs.is_none()));
    }
    Ok(())
}

/// Makes sure that database and folder belong together; returns the id, whether the database is an older
/// copy, and what is to be counted.
///
/// # Errors
/// [`Disagreement`], by variant; nothing has changed.
pub async fn agree(
    db: &Database,
    data_dir: &Path,
) -> Result<(String, bool, StartCount), Disagreement> {
    let ours = read(data_dir.join("instance"))?;
    let id = match (stored(&db.writer, "instance").await?, ours) {
        (Some(theirs), Some(ours)) if theirs == ours => theirs,
        (None, None) => write(db, data_dir, 0).await?,
        (Some(theirs), _) if stored(&db.writer, "instance_pending").await?.is_some() => {
            settle(db, data_dir, &theirs).await?;
            theirs
        }
        (theirs, _) => return Err(differ(db, data_dir, theirs.is_none())),
    };
    let (is_older, start) = look_at_starts(db, data_dir).await?;
    Ok((id, is_older, start))
}

/// Makes a copy a mirror of its own: a new id, and event numbers that leap.
///
/// # Errors
/// [`Disagreement`], but never that they differ.
pub async fn adopt(db: &Database, data_dir: &Path) -> Result<(String, StartCount), Disagreement> {
    let id = write(db, data_dir, LEAP).await?;
    let (_, start) = look_at_starts(db, data_dir).await?;
    start.count(db).await?;
    Ok((id, start))
}
