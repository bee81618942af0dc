//! The demo: a built-in mailbox on loopback, mirrored over real TCP.

use crate::cli::args::DemoArgs;
use crate::cli::out::say_line;
use crate::cli::{Exit, Outputs, sync_once, without_file};
use crate::config::raw::Place;
use crate::config::{Account, SecretFrom};
use crate::provider::imap::Security;
use postrider_core::account::filter::FolderFilter;
use postrider_imapd::{Server, User, seed};
use std::collections::BTreeMap;

/// The mailbox's seed: the same mail at every start.
const SEED: u64 = 2026;
/// Messages in it, about.
const MESSAGES: usize = 400;

/// Runs the command.
pub async fn run(args: DemoArgs) -> Exit {
    if !args.once {
        eprintln!("say `postrider demo --once`: the server that follows mailboxes is not here yet");
        return Exit::Usage;
    }
    let user = User { password: "demo".into(), mailbox: seed::mailbox(SEED, MESSAGES) };
    let server = match Server::start(BTreeMap::from([("demo".to_owned(), user)]), |_, _| None).await {
        Ok(server) => server,
        Err(e) => {
            eprintln!("the demo's mail server cannot listen on 127.0.0.1: {e}");
            return Exit::Network;
        }
    };
    let mut config = without_file(&args.data);
    config.accounts.push(Account {
        id: "demo".into(),
        host: "127.0.0.1".into(),
        port: server.port(),
        security: Security::Plain,
        ca_file: None,
        username: "demo".into(),
        secret: SecretFrom::Inline("demo".to_owned().into()),
        folders: FolderFilter::default(),
        secret_at: (Place::Argument, "password"),
    });
    let outputs = match Outputs::open(&args.outputs) {
        Ok(outputs) => outputs,
        Err(exit) => return exit,
    };
    let exit = sync_once(&config, "demo", &outputs).await;
    if matches!(exit, Exit::Success | Exit::Partial) {
        let data = args.data.display();
        say_line(&format!(
            "look at it: postrider export demo --data {data}, postrider verify demo --offline --data {data}"
        ));
    }
    exit
}
