//! `verify`: what is proved and what is not. Bodies are hashed, references resolved, and (online)
//! the server's UIDs, sizes and flags compared with ours; what is derived is held against the bytes.

mod feed;
mod online;
mod repair;
mod shown;

use crate::cli::args::VerifyArgs;
use crate::cli::exit::Exit;
use crate::cli::export::{OpenMirror, open, open_all};
use crate::cli::names::{places, resolve};
use crate::cli::out::{say, say_line};
use crate::cli::verify::online::{known, online};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::IntegrityReader;
use crate::verify::{Derived, Rows, StoreReport, Verified, local, missing_events};
use postrider_core::failure::Failure;

/// Runs the command.
pub(super) async fn run(args: VerifyArgs) -> Exit {
    if args.repair {
        return repair::run(&args).await;
    }
    let verified = match &args.account {
        Some(account) => one(&args, account).await.map(|one| (vec![one], None)),
        None => all(&args).await,
    };
    let (accounts, store) = match verified {
        Ok(verified) => verified,
        Err(exit) => return exit,
    };
    if args.json {
        say_line(&shown::json(&args, &accounts, store.as_ref()));
    } else {
        say(&shown::text(&args, &accounts, store.as_ref()));
    }
    let differs = accounts.iter().any(Verified::differs);
    if differs || store.is_some_and(|store| !store.differences.is_empty()) {
        return Exit::Different;
    }
    // A server that could not be asked is not silent.
    let unasked = accounts.iter().filter_map(|one| one.unasked.as_ref());
    let unasked = unasked.map(|failure| Exit::of_class(failure.class)).max();
    match unasked {
        Some(exit) => exit,
        None if !accounts.is_empty() && accounts.iter().all(Verified::is_proved) => Exit::Success,
        None => Exit::Partial,
    }
}

fn told(failure: &Failure) -> Exit {
    eprintln!("{failure}");
    Exit::of_class(failure.class)
}

fn config(args: &VerifyArgs) -> Result<Config, Exit> {
    if args.offline || (args.mirror.config.is_none() && args.direct.imap.is_none()) {
        places(&args.mirror)
    } else {
        resolve(args.mirror.config.as_ref(), args.mirror.data.as_ref(), &args.direct)
    }
}

async fn one(args: &VerifyArgs, account: &str) -> Result<Verified, Exit> {
    let opened = open(config(args)?, account).await?;
    let mut verified = verify(args, &opened).await?;
    let missing = IntegrityReader::new(&opened.mirror.reader).missing_events().await;
    let missing = missing.map_err(|e| told(&e))?;
    missing.iter().for_each(|range| verified.differences.push(missing_events(range)));
    match verified.unasked.take() {
        Some(failure) => Err(Exit::of_class(failure.class)),
        None => Ok(verified),
    }
}

/// Each account, then what is of none.
async fn all(args: &VerifyArgs) -> Result<(Vec<Verified>, Option<StoreReport>), Exit> {
    let config = config(args)?;
    let named: Vec<String> = config.accounts.iter().map(|account| account.id.clone()).collect();
    let (opened, reader) = open_all(config).await?;
    let is_stored = |name: &&String| opened.iter().any(|of| of.mirror.name == **name);
    let never = named.iter().filter(|name| !is_stored(name));
    let mut accounts: Vec<Verified> = never.map(|name| Verified::never_synced(name)).collect();
    for opened in opened {
        accounts.push(verify(args, &opened).await?);
    }
    let breaks = IntegrityReader::new(&reader).store().await.map_err(|e| told(&e))?;
    Ok((accounts, Some(StoreReport::of(breaks))))
}

/// An account, on this side and on the other. Where its server cannot be asked, that is in it.
async fn verify(args: &VerifyArgs, opened: &OpenMirror) -> Result<Verified, Exit> {
    let derived = if args.mirror_only { Derived::Passed } else { Derived::Looked };
    let now = Clock::start().now().wall;
    let verified = local(&opened.mirror, (Rows::Kept, derived), now).await;
    let mut verified = verified.map_err(|e| told(&e))?;
    let account = &opened.mirror.name;
    if let Some(n) = verified.standing.as_ref().map(|feed| feed.left_out).filter(|n| *n > 0) {
        eprintln!("{n} mail(s) are left out by hand: `postrider failures {account}` names them");
    }
    if args.offline {
        if let Some(text) = verified.standing.as_ref().and_then(feed::unread) {
            verified.reports.values_mut().for_each(|report| report.unproved.push(text.clone()));
        }
    } else {
        match known(opened) {
            Some(server) => {
                if let Err(failure) = online(opened, server, &mut verified).await {
                    told(&failure);
                    verified.unproved.push(format!("its server could not be asked: {failure}"));
                    verified.unasked = Some(failure);
                }
            }
            None if args.all => {
                verified
                    .unproved
                    .push("the config does not name it: its server is not asked".into());
            }
            None => {
                eprintln!(
                    "the server of {account} is not known here: give --config FILE, or --imap URL, or --offline"
                );
                return Err(Exit::Usage);
            }
        }
    }
    if verified.reports.is_empty() {
        eprintln!("{account} was never synced: nothing is proved");
    }
    Ok(verified)
}
