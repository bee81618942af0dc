//! For whom a job is asked, and what it is.

use crate::admin::Shared;
use crate::admin::job_view::{RefusedView, WishedJob};
use crate::admin::lists::word;
use crate::admin::problem::Problem;
use crate::admin::sight::Sight;
use crate::instant::{day_of, instant_of};
use crate::telemetry::registry::AccountLine;
use axum::http::StatusCode;
use postrider_core::job::queue::JobPlace;
use postrider_core::job::words::{JobKind, JobTask, fits};
use postrider_core::provider::Family;
use postrider_core::run::first::FirstOf;
use std::collections::BTreeSet;

pub(super) fn kind_of(given: &str) -> Result<JobKind, Problem> {
    word("kind", given, JobKind::ALL, JobKind::as_str)
}

/// The accounts that a wish is for: those that there are, and those that there are not.
pub(super) async fn wished(
    shared: &Shared,
    sight: &Sight,
    asked: &WishedJob,
) -> Result<(BTreeSet<String>, Vec<RefusedView>), Problem> {
    let named = [asked.accounts.is_some(), asked.owner.is_some(), asked.all];
    if named.into_iter().filter(|named| *named).count() > 1 {
        return Err(Problem::bad("write one of accounts, owner and all"));
    }
    if asked.accounts.as_ref().is_some_and(Vec::is_empty) {
        return Err(Problem::bad("accounts: nobody is named; write ids of accounts"));
    }
    let (mut accounts, mut refused) = (BTreeSet::new(), Vec::new());
    for account in asked.accounts.iter().flatten() {
        let is_followed = shared.registry.look(account, |_| ()).is_some();
        match sight.account(shared, account).await {
            Ok(()) if is_followed => drop(accounts.insert(account.clone())),
            Err(problem) if problem.status != StatusCode::NOT_FOUND.as_u16() => {
                return Err(problem);
            }
            _ => {
                let why = "there is no such account, or the config does not name it".to_owned();
                refused.push(RefusedView { account: Some(account.clone()), why });
            }
        }
    }
    if asked.owner.is_some() || asked.all {
        accounts.extend(followed(shared, sight, asked.owner.as_deref())?);
    }
    Ok((accounts, refused))
}

/// The accounts that are followed: an owner's, or all that are seen.
pub(super) fn followed(
    shared: &Shared,
    sight: &Sight,
    owner: Option<&str>,
) -> Result<BTreeSet<String>, Problem> {
    if owner.is_some_and(|owner| !sight.sees(Some(owner))) {
        return Err(Problem::missing("owner"));
    }
    let of = |line: &AccountLine| {
        let its = line.owner.as_deref();
        sight.sees(its) && owner.is_none_or(|wanted| its == Some(wanted))
    };
    let lines = shared.registry.accounts();
    let accounts: BTreeSet<String> =
        lines.into_iter().filter(|(_, line)| of(line)).map(|(name, _)| name).collect();
    // Whoever has none is as one who is not there.
    if owner.is_some() && accounts.is_empty() {
        return Err(Problem::missing("owner"));
    }
    Ok(accounts)
}

/// What a wish is for: of each account one, or one of the whole process.
pub(super) fn places(
    asked: &WishedJob,
    sight: &Sight,
    accounts: BTreeSet<String>,
) -> Result<Vec<JobPlace>, Problem> {
    let kind = kind_of(&asked.kind)?;
    let task = asked.task.as_deref();
    let task = task.map(|given| word("task", given, JobTask::ALL, JobTask::as_str)).transpose()?;
    let is_named = asked.accounts.is_some() || asked.owner.is_some() || asked.all;
    let (first, at) = (first(asked)?, None);
    fits(kind, task, first.as_ref(), is_named)
        .map_err(|(key, why)| Problem::bad(format!("{key}: {why}")))?;
    if is_named {
        let of =
            |account| JobPlace { kind, task, account: Some(account), first: first.clone(), at };
        return Ok(accounts.into_iter().map(of).collect());
    }
    if sight.owner().is_some() {
        let text = "this token is for one owner's accounts; what is of the whole process needs one without @OWNER in admin.token";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", text));
    }
    Ok(vec![JobPlace { kind, task, account: None, first, at }])
}

/// What of the unread history is asked for, where some of it is.
fn first(asked: &WishedJob) -> Result<Option<FirstOf>, Problem> {
    let at = |key: &str, text: &str, is_end: bool| {
        let day = day_of(text).map(|(begins, ends)| if is_end { ends } else { begins });
        let words =
            format!("{key}: write a day, as 2026-01-31, or an instant, as 2026-01-31T08:00:00Z");
        instant_of(text).or(day).map(|at| at.0).ok_or_else(|| Problem::bad(words))
    };
    let since = asked.since.as_deref().map(|text| at("since", text, false)).transpose()?;
    let until = asked.until.as_deref().map(|text| at("until", text, true)).transpose()?;
    let folders = asked.folders.clone().unwrap_or_default();
    let is_asked = asked.folders.is_some() || asked.limit.is_some();
    let first = FirstOf { folders, since, until, limit: asked.limit };
    Ok(Some(first).filter(|first| is_asked || first.is_dated()))
}

/// Those of the accounts for which some of the past can be chosen; the others are refused.
pub(super) async fn choosing(
    shared: &Shared,
    accounts: BTreeSet<String>,
    asked: &WishedJob,
    refused: &mut Vec<RefusedView>,
) -> Result<BTreeSet<String>, Problem> {
    let Some(first) = first(asked)? else { return Ok(accounts) };
    let mut fit = BTreeSet::new();
    for account in accounts {
        let why = match shared.registry.look(&account, |line| line.family).flatten() {
            None => Some("it cannot be followed now: `postrider status` says why".to_owned()),
            Some(Family::Feed) => {
                Some("what is read first cannot be chosen with its provider".to_owned())
            }
            Some(Family::Folders) => lacks(shared, &account, &first.folders).await?,
        };
        match why {
            Some(why) => refused.push(RefusedView { account: Some(account), why }),
            None => drop(fit.insert(account)),
        }
    }
    Ok(fit)
}

/// Which of these folders an account has not, if it lacks one.
async fn lacks(
    shared: &Shared,
    account: &str,
    wanted: &[String],
) -> Result<Option<String>, Problem> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let mut paths = BTreeSet::new();
    for row in shared.reader.stored_accounts(Some(account)).await? {
        let folders = shared.reader.stored_folders(row.id).await?;
        paths.extend(folders.into_iter().map(|folder| folder.path));
    }
    let has = |path: &&String| {
        let named = FirstOf { folders: vec![(*path).clone()], ..FirstOf::default() };
        paths.iter().any(|path| named.is_of(path))
    };
    let lacking = wanted.iter().find(|path| !has(path));
    Ok(lacking.map(|path| format!("folders: it has none of the name {path:?}, as far as is known")))
}
