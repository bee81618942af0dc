//! `check`: the config, then each account's login and folder list.

use crate::boot::grants::{issuer, looked_up, service, vault};
use crate::boot::wiring::endpoint;
use crate::cli::args::CheckArgs;
use crate::cli::exit::Exit;
use crate::cli::names::from_file;
use crate::cli::out::say_line;
use crate::config::SecretFrom;
use crate::config::{Account, Config, Flaw};
use crate::provider::Opening;
use postrider_core::failure::Failure;
use postrider_core::provider::folders::{Answer, Request};

/// Runs the command.
pub(super) async fn run(args: CheckArgs) -> Exit {
    let config = match from_file(&args.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let mut missing = false;
    for account in &config.accounts {
        if let Err(failure) = reachable(account, &config) {
            missing = true;
            eprintln!("{}", secret_problem(account, &failure));
        }
    }
    if missing {
        return Exit::Usage;
    }
    say_line(&format!(
        "{}: {} account(s), no errors",
        args.config.display(),
        config.accounts.len()
    ));
    if args.offline {
        return Exit::Success;
    }
    let mut worst = Exit::Success;
    for account in &config.accounts {
        match folders(account, &config).await {
            Ok((all, wanted)) => say_line(&format!(
                "{}: logged in; {all} folders, {wanted} to be synced",
                account.id
            )),
            Err(failure) => {
                eprintln!("{}: {failure}", account.id);
                worst = worst.max(Exit::of_class(failure.class));
            }
        }
    }
    worst
}

/// Whether an account has what it takes to be reached.
pub(super) fn reachable(account: &Account, config: &Config) -> Result<(), Failure> {
    endpoint(account, config)?;
    match account.secret {
        // Whether access was granted is seen when it logs in.
        SecretFrom::Grant(name) => {
            let client = config.oauth.get(name).map(issuer).transpose()?;
            vault(config).map(|_| drop(client))
        }
        SecretFrom::Service(name) => {
            let client = config.oauth.get(name).map(service).transpose()?;
            drop(client);
            Ok(())
        }
        _ => account.secret.get().map(|_| ()),
    }
}

/// What keeps an account from being reached, at the place of its secret (the usual reason).
pub(super) fn secret_problem(account: &Account, failure: &Failure) -> Flaw {
    let (place, key) = account.secret_at.clone();
    Flaw { place, key: format!("account {}: {key}", account.id), text: failure.chain() }
}

async fn folders(account: &Account, config: &Config) -> Result<(usize, usize), Failure> {
    let (endpoint, credential) = (endpoint(account, config)?, looked_up(account, config).await?);
    let mut session = endpoint.open(credential, Opening::to_look(&account.id)).await?;
    let Answer::Listed { folders: listed, .. } = session.answer(&Request::List).await? else {
        return Err(Failure::bug("another answer than asked for"));
    };
    session.close().await;
    Ok((listed.len(), listed.iter().filter(|l| account.folders.wants(&l.path)).count()))
}
