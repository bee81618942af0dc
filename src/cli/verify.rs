//! `verify`: what is proved and what is not. Bodies are hashed, references resolved, and (online)
//! the server's UIDs, sizes and flags compared with ours; what is derived is held against the bytes.

mod feed;
mod report;

use crate::bodies::BodyReader;
use crate::boot::grants::looked_up;
use crate::boot::wiring::endpoint;
use crate::cli::args::VerifyArgs;
use crate::cli::exit::Exit;
use crate::cli::export::{OpenMirror, open};
use crate::cli::names::{places, resolve};
use crate::cli::out::{say, say_line};
use crate::cli::verify::feed::Sides;
use crate::cli::verify::report::{Report, Reports};
use crate::clock::Clock;
use crate::derive::check::{Checked, Checker};
use crate::provider::{self, OpenSession, Opening};
use crate::store::{Chosen, FailureReader, FeedStanding, ManifestRow, Miscount};
use postrider_core::commit::rows::FolderRow;
use postrider_core::failure::Failure;
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::Answer;
use postrider_core::provider::Family;
use postrider_core::provider::folders::{FolderAnswer, FolderRequest};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Differences of a folder that are printed one by one.
const SHOWN: usize = 10;

/// Runs the command.
pub(super) async fn run(args: VerifyArgs) -> Exit {
    let verified = async {
        let config = if args.offline || (args.mirror.config.is_none() && args.direct.imap.is_none())
        {
            places(&args.mirror)?
        } else {
            resolve(args.mirror.config.as_ref(), args.mirror.data.as_ref(), &args.direct)?
        };
        let opened = open(config, &args.account).await?;
        let all = opened.reader.folders(opened.account).await.map_err(|e| told(&e))?;
        let folders: Vec<FolderRow> = all.iter().filter(|f| !f.excluded).cloned().collect();
        let mut reports = local(&opened, &folders).await?;
        let at = Clock::start().now().wall;
        let standing = opened.reader.feed_standing(opened.account, at).await;
        let standing = standing.map_err(|e| told(&e))?;
        let gaps = opened.reader.event_gaps().await.map_err(|e| told(&e))?;
        if let Some(report) = reports.values_mut().next().filter(|_| gaps != 0) {
            report.differences.push(format!("{gaps} numbers are missing in the feed"));
        }
        for wrong in opened.reader.miscounts(opened.account).await.map_err(|e| told(&e))? {
            let Miscount { folder, kept, counted } = wrong;
            let named = folder.map(|id| id.0).filter(|id| reports.contains_key(id));
            let first = || reports.keys().next().copied().unwrap_or(0);
            let report = reports.entry(named.unwrap_or_else(first)).or_default();
            report.differences.push(format!("{kept} are counted as held, and {counted} are there"));
        }
        if let Some(n) = standing.as_ref().map(|feed| feed.left_out).filter(|n| *n > 0) {
            let account = &args.account;
            eprintln!(
                "{n} mail(s) are left out by hand: `postrider failures {account}` names them"
            );
        }
        if args.offline {
            if let Some(text) = standing.as_ref().and_then(feed::unread) {
                reports.values_mut().for_each(|report| report.unproved.push(text.clone()));
            }
        } else {
            online(&opened, &args.account, (&all, standing), &mut reports).await?;
        }
        if reports.is_empty() {
            eprintln!("{} was never synced: nothing is proved", args.account);
        }
        let derived = if args.mirror_only { None } else { derived(&opened).await? };
        Ok::<_, Exit>((reports, derived))
    };
    match verified.await {
        Ok((reports, derived)) => {
            if args.json {
                say_line(&json(&args, &reports, derived.as_ref()));
            } else {
                say(&text(&reports, args.offline));
                say(&derived.as_ref().map(derived_text).unwrap_or_default());
            }
            let is_derived = derived.is_none_or(|checked| checked.differences.is_empty());
            match !is_derived || reports.values().any(|r| !r.differences.is_empty()) {
                true => Exit::Different,
                false if proved(&reports) => Exit::Success,
                false => Exit::Partial,
            }
        }
        Err(exit) => exit,
    }
}

fn told(failure: &Failure) -> Exit {
    eprintln!("{failure}");
    Exit::of_class(failure.class)
}

/// Reads all mail again, and holds what is derived of it against that.
async fn derived(opened: &OpenMirror) -> Result<Option<Checked>, Exit> {
    let checker = Checker::new(&opened.reader, &opened.config.bodies, Arc::default());
    checker.account(opened.account).await.map_err(|e| told(&e))
}

fn derived_text(checked: &Checked) -> String {
    let Checked { messages, behind, differences, unproved } = checked;
    let verdict = if differences.is_empty() { "fits" } else { "DIFFERENT" };
    let mut out = format!("what is derived: {verdict}; {messages} messages");
    if *messages == 0 && *behind > 0 && differences.is_empty() {
        out = "what is derived: nothing yet".to_owned();
    }
    if *behind > 0 {
        out.push_str(&format!(", {behind} still to be read"));
    }
    out.push('\n');
    for line in unproved.iter().chain(differences.iter().take(SHOWN)) {
        out.push_str(&format!("  {line}\n"));
    }
    if differences.len() > SHOWN {
        out.push_str(&format!("  and {} more differences\n", differences.len() - SHOWN));
    }
    if !differences.is_empty() {
        out.push_str("  `postrider reindex` reads it anew\n");
    }
    out
}

/// Hashes every body and resolves every reference.
async fn local(opened: &OpenMirror, folders: &[FolderRow]) -> Result<Reports, Exit> {
    let mut reports = Reports::new();
    for folder in folders {
        let remaining = folder.lanes.as_ref().map_or(0, |lanes| lanes.backfill.remaining.len());
        let failures = folder.tried_again().len();
        let mut report = Report { failures, remaining, ..Report::default() };
        if !folder.left_out.is_empty() {
            let ledger = FailureReader::new(&opened.reader);
            report.left_out = ledger.left_out_of(folder.id).await.map_err(|e| told(&e))?;
        }
        report.path.clone_from(&folder.path);
        if remaining > 0 {
            report.unproved.push(format!("{remaining} UIDs are still to be read"));
        }
        report.unproved.extend(folder.unproved.clone());
        if folder.look.is_some() {
            report.unproved.push("a large loss waits for its second look".into());
        }
        if folder.stalled_at.is_some() {
            report.unproved.push("it stands still; see `postrider failures`".into());
        }
        reports.insert(folder.id.0, report);
    }
    let mut bodies = BodyReader::new(&opened.config.bodies);
    let mut hashed: BTreeSet<BodyHash> = BTreeSet::new();
    for folder in folders {
        let Some(report) = reports.get_mut(&folder.id.0) else { continue };
        let each = |row: &ManifestRow| {
            report.messages += 1;
            report.synthetic += u64::from(row.synthetic);
            match &row.body {
                None => {
                    report.differences.push(format!("UID {}: its body row is missing", row.uid))
                }
                Some(body) => {
                    // What is no UID is a message's number, which no index is held against.
                    if let Ok(uid) = u32::try_from(row.uid) {
                        let told = (row.announced.unwrap_or(row.size), row.flags.clone());
                        report.rows.insert(uid, told);
                    }
                    if i64::try_from(body.length).ok() != Some(row.size) {
                        report.differences.push(format!(
                            "UID {}: {} octets, the message says {}",
                            row.uid, body.length, row.size
                        ));
                    }
                    if hashed.insert(body.hash)
                        && let Err(damage) = bodies.check(body)
                    {
                        report.differences.push(format!("UID {}: {damage}", row.uid));
                    }
                }
            }
            Ok(())
        };
        opened.each(folder.id, Chosen::Living, each).await?;
    }
    Ok(reports)
}

/// Compares with the server, on one session, folder by folder.
async fn online(
    opened: &OpenMirror,
    account: &str,
    (all, standing): (&[FolderRow], Option<FeedStanding>),
    reports: &mut Reports,
) -> Result<(), Exit> {
    let config = &opened.config;
    let Some(account) = config.accounts.iter().find(|a| a.id == account) else {
        eprintln!(
            "the server of {account} is not known here: give --config FILE, or --imap URL, or --offline"
        );
        return Err(Exit::Usage);
    };
    let endpoint = endpoint(account, config).map_err(|e| told(&e))?;
    let credential = looked_up(account, config).await.map_err(|e| told(&e))?;
    let session =
        provider::open(endpoint.as_ref(), credential, Opening::to_look(&account.id)).await;
    let mut session = session.map_err(|e| told(&e))?;
    if endpoint.family() == Family::Feed {
        let sides = Sides {
            session: &mut session,
            reader: &opened.reader,
            account: opened.account,
            folders: all,
            cursor: standing.as_ref().and_then(|standing| standing.cursor()),
            listed: standing.is_some_and(|standing| standing.state.listed),
        };
        let compared = feed::online(sides, reports).await;
        session.close().await;
        return compared.map_err(|e| told(&e));
    }
    let estimated = opened.reader.estimates_sizes(opened.account).await.map_err(|e| told(&e))?;
    let folders: Vec<&FolderRow> = all.iter().filter(|f| !f.excluded).collect();
    let listed = match session
        .answer(FolderRequest::List { counters_of: Vec::new(), anew: false })
        .await
        .map_err(|e| told(&e))?
    {
        Answer::Folders(FolderAnswer::Listed { folders, .. }) => folders,
        _ => Vec::new(),
    };
    for fresh in listed.iter().filter(|l| {
        account.folders.wants(&l.path) && !folders.iter().any(|f| f.remote_id == l.remote_id)
    }) {
        let number = -1 - i64::try_from(reports.len()).unwrap_or(0);
        let differences = vec!["the server has this folder, we do not".into()];
        reports
            .insert(number, Report { path: fresh.path.clone(), differences, ..Report::default() });
    }
    for folder in folders {
        let Some(report) = reports.get_mut(&folder.id.0) else { continue };
        if !listed.iter().any(|l| l.remote_id == folder.remote_id) {
            report.differences.push("we have this folder, the server does not list it".into());
            continue;
        }
        if let Err(failure) = compare(&mut session, folder, estimated, report).await {
            report.differences.push(format!("cannot be compared: {failure}"));
            if failure.reach != postrider_core::failure::Reach::Folder {
                return Err(told(&failure));
            }
        }
    }
    session.close().await;
    Ok(())
}

/// `estimated`: the server is known to estimate RFC822.SIZE; a size that differs says nothing then.
async fn compare(
    session: &mut OpenSession,
    folder: &FolderRow,
    estimated: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    let (remote_id, uidvalidity) = (folder.remote_id.clone(), folder.uidvalidity());
    let opened = session.answer(FolderRequest::examine(remote_id.clone())).await?;
    // Nothing here and nothing there: whatever the numbers are that nothing has.
    if let Answer::Folders(FolderAnswer::Examined { examined, .. }) = opened
        && examined.exists == 0
        && report.rows.is_empty()
        && report.messages == 0
    {
        return Ok(());
    }
    let Answer::Folders(FolderAnswer::Indexed { rows, .. }) = session
        .answer(FolderRequest::Index { remote_id: remote_id.clone(), uidvalidity, uids: None })
        .await?
    else {
        return Err(Failure::bug("another answer than asked for"));
    };
    let Answer::Folders(FolderAnswer::Sized(sizes)) =
        session.answer(FolderRequest::Sizes { remote_id, uidvalidity }).await?
    else {
        return Err(Failure::bug("another answer than asked for"));
    };
    if report.failures > 0 {
        report.unproved.push(format!("{} are not held; see `postrider failures`", report.failures));
    }
    let ours: UidSet = report.rows.keys().copied().collect();
    let theirs = rows.uids();
    for uid in theirs.minus(&ours).minus(&folder.failures).iter() {
        report.differences.push(format!("UID {uid}: the server has it, we do not"));
    }
    // What lies below what is shown may be there.
    let hides = session.capabilities().proof.view.hides(u32::try_from(theirs.len()).unwrap_or(0));
    let floor = theirs.first().filter(|_| hides).unwrap_or(1);
    for uid in ours.minus(&theirs).minus(&UidSet::range(1, floor - 1)).iter() {
        report.differences.push(format!("UID {uid}: we have it, the server does not"));
    }
    for (uid, told) in rows.iter() {
        let Some((size, flags)) = report.rows.get(&uid) else { continue };
        if flags != told {
            report
                .differences
                .push(format!("UID {uid}: flags [{flags}], the server says [{told}]"));
        }
        if let Some(theirs) = sizes.get(&uid)
            && u64::try_from(*size).ok() != Some(*theirs)
        {
            let text = format!("UID {uid}: {size} octets, the server says {theirs}");
            if estimated { report.notes.push(text) } else { report.differences.push(text) }
        }
    }
    Ok(())
}

fn text(reports: &Reports, offline: bool) -> String {
    let mut out = String::new();
    // What is so of every folder is said once.
    let of_all = |line: &&String| {
        reports.len() > 1 && reports.values().all(|report| report.unproved.contains(line))
    };
    let common: Vec<&String> =
        reports.values().take(1).flat_map(|r| r.unproved.iter().filter(of_all)).collect();
    for r in reports.values() {
        let path = &r.path;
        let verdict = match (r.differences.is_empty(), r.is_proved(), offline) {
            (false, ..) => "DIFFERENT",
            (true, false, _) => "not proved",
            (true, true, true) => "bodies proved",
            (true, true, false) => "proved",
        };
        // Of what nobody hands out the bytes of, nothing says that it is exact.
        let but = match r.synthetic {
            0 => String::new(),
            n => format!(", but for {n} synthetic (no bytes of them are handed out)"),
        };
        out.push_str(&format!(
            "{path}: {verdict}{but}; {} messages, {} failures in the ledger\n",
            r.messages, r.failures
        ));
        for mail in r.left_out.iter().take(SHOWN) {
            out.push_str(&format!("  left out: UID {} ({})\n", mail.uid, mail.note));
        }
        if r.left_out.len() > SHOWN {
            out.push_str(&format!("  and {} more are left out\n", r.left_out.len() - SHOWN));
        }
        let unproved = r.unproved.iter().filter(|line| !common.contains(line));
        for line in unproved.chain(r.differences.iter().take(SHOWN)) {
            out.push_str(&format!("  {line}\n"));
        }
        if !r.notes.is_empty() {
            out.push_str(&format!(
                "  the server estimates sizes: {} differ, which says nothing\n",
                r.notes.len()
            ));
        }
        if r.differences.len() > SHOWN {
            out.push_str(&format!("  and {} more differences\n", r.differences.len() - SHOWN));
        }
    }
    for line in common {
        out.push_str(&format!("every folder: {line}\n"));
    }
    let (messages, differences) =
        reports.values().fold((0, 0), |(m, d), r| (m + r.messages, d + r.differences.len()));
    let proved = reports.values().filter(|r| r.is_proved()).count();
    out.push_str(&format!(
        "{messages} messages (each in every folder that it is in), {proved} of {} folders proved, {differences} differences\n",
        reports.len()
    ));
    out
}

fn proved(reports: &Reports) -> bool {
    !reports.is_empty() && reports.values().all(Report::is_proved)
}

fn json(args: &VerifyArgs, reports: &Reports, derived: Option<&Checked>) -> String {
    let folders: Vec<_> = reports
        .values()
        .map(|r| {
            serde_json::json!({
                "folder": r.path,
                "messages": r.messages,
                "failures": r.failures,
                "left_out": r.left_out.iter().map(|mail| serde_json::json!({ "uid": mail.uid, "note": mail.note })).collect::<Vec<_>>(),
                "remaining": r.remaining,
                "proved": r.is_proved(),
                "unproved": r.unproved,
                "differences": r.differences,
                "notes": r.notes,
                "synthetic": r.synthetic,
            })
        })
        .collect();
    let proved = proved(reports);
    let derived = derived.map(|checked| {
        let Checked { messages, behind, differences, unproved } = checked;
        let fits = differences.is_empty();
        serde_json::json!({
            "messages": messages, "behind": behind, "fits": fits, "differences": differences, "unproved": unproved,
        })
    });
    serde_json::json!({
        "account": args.account, "offline": args.offline, "proved": proved, "folders": folders, "derived": derived,
    })
    .to_string()
}
