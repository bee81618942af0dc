//! What is on the other side: the server's UIDs, sizes and flags beside ours.

use crate::boot::grants::looked_up;
use crate::boot::wiring::endpoint;
use crate::cli::export::OpenMirror;
use crate::cli::verify::feed::{self, Sides};
use crate::config::Account;
use crate::provider::{self, OpenSession, Opening};
use crate::verify::{Report, Verified};
use postrider_core::commit::rows::FolderRow;
use postrider_core::failure::{Failure, Reach};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::Answer;
use postrider_core::provider::Family;
use postrider_core::provider::folders::{FolderAnswer, FolderRequest};

/// The account as the config names it.
pub(super) fn known(opened: &OpenMirror) -> Option<&Account> {
    opened.config.accounts.iter().find(|account| account.id == opened.mirror.name)
}

/// Compares with the server, on one session, folder by folder.
///
/// # Errors
/// Whatever keeps it from being asked.
pub(super) async fn online(
    opened: &OpenMirror,
    account: &Account,
    verified: &mut Verified,
) -> Result<(), Failure> {
    let Verified { reports, folders: all, standing, .. } = verified;
    let endpoint = endpoint(account, &opened.config)?;
    let credential = looked_up(account, &opened.config).await?;
    let looking = Opening::to_look(&account.id);
    let mut session = provider::open(endpoint.as_ref(), credential, looking).await?;
    if endpoint.family() == Family::Feed {
        let sides = Sides {
            session: &mut session,
            reader: &opened.mirror.reader,
            account: opened.mirror.account,
            folders: all,
            cursor: standing.as_ref().and_then(|standing| standing.cursor()),
            listed: standing.as_ref().is_some_and(|standing| standing.state.listed),
        };
        let compared = feed::online(sides, reports).await;
        session.close().await;
        return compared;
    }
    let estimated = opened.mirror.reader.estimates_sizes(opened.mirror.account).await?;
    let folders: Vec<&FolderRow> = all.iter().filter(|f| !f.excluded).collect();
    let listed =
        match session.answer(FolderRequest::List { counters_of: Vec::new(), anew: false }).await? {
            Answer::Folders(FolderAnswer::Listed { folders, .. }) => folders,
            _ => Vec::new(),
        };
    for fresh in listed.iter().filter(|l| {
        account.folders.wants(&l.path) && !folders.iter().any(|f| f.remote_id == l.remote_id)
    }) {
        let number = -1 - i64::try_from(reports.len()).unwrap_or(0);
        let mut report = Report { path: fresh.path.clone(), ..Report::default() };
        report.differences.push("the server has this folder, we do not".into());
        reports.insert(number, report);
    }
    for folder in folders {
        let Some(report) = reports.get_mut(&folder.id.0) else { continue };
        if !listed.iter().any(|l| l.remote_id == folder.remote_id) {
            report.differences.push("we have this folder, the server does not list it".into());
            continue;
        }
        if let Err(failure) = compare(&mut session, folder, estimated, report).await {
            report.differences.push(format!("cannot be compared: {failure}"));
            if failure.reach != Reach::Folder {
                return Err(failure);
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
