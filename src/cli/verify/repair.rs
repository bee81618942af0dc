//! `verify --repair`: the server looks at all of a mirror, sets right what is damaged, and reads again what is lost.

use crate::cli::args::{ClientArgs, VerifyArgs};
use crate::cli::client::{CallError, Client, config_of, exit_of, in_path};
use crate::cli::exit::Exit;
use crate::cli::job_end::{ended, said};
use crate::cli::out::{say_json, say_line};
use crate::cli::verbs::text;
use postrider_core::job::words::JobStatus;
use reqwest::Method;

/// Asks for it, and waits until it is done.
pub(super) async fn run(args: &VerifyArgs) -> Exit {
    if args.direct.imap.is_some() {
        eprintln!("--repair is for the server of a config: write --config FILE instead of --imap");
        return Exit::Usage;
    }
    let (config, data) = (args.mirror.config.clone(), args.mirror.data.clone());
    let config = match config_of(&ClientArgs { config, data, json: args.json }) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let done = match Client::of(&config) {
        Ok(client) => repaired(args, &client).await,
        Err(trouble) => Err(trouble),
    };
    done.unwrap_or_else(|trouble| exit_of(trouble, &config))
}

async fn repaired(args: &VerifyArgs, client: &Client) -> Result<Exit, CallError> {
    let accounts = match &args.account {
        Some(id) => vec![id.clone()],
        None => {
            let all = client.all("/v1/accounts", &[("limit", "1000".into())]).await?;
            all.iter().map(|account| text(account, "id")).collect()
        }
    };
    let mut exit = Exit::Success;
    for account in accounts {
        let path = format!("/v1/accounts/{}/repair", in_path(&account));
        let query = [("yes", args.yes.to_string())];
        let taken = client.call(Method::POST, &path, &query).await?;
        let path = format!("/v1/jobs/{}", text(&taken, "id"));
        let job = ended(client, &path).await?;
        if args.json {
            say_json(&job);
        } else {
            say_line(&format!("{account}: {}", said(&job)));
        }
        if text(&job, "status") != JobStatus::Done.as_str() {
            exit = Exit::Partial;
        }
    }
    if exit == Exit::Success && !args.json {
        say_line("when that has been read again, `postrider verify` proves it");
    }
    Ok(exit)
}
