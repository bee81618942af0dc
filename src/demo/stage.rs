//! The demo's mailbox: of a built-in IMAP server, or of a built-in server of Gmail's API or Nylas's.
#![expect(
    clippy::disallowed_methods,
    reason = "the demo asks at the pace at which its mailbox lives"
)]

use crate::cli::client::Client;
use crate::config::raw::Origin;
use crate::config::{Account, GMAIL, IMAP, NYLAS, SecretFrom};
use postrider_core::provider::server::{Api, Grant, QuotaPlan, Security};
use postrider_core::run::filter::FolderFilter;
use postrider_feedd::life::GmailLife;
use postrider_feedd::nylas::{
    NylasApplication, NylasBox, NylasLife, NylasServer, seed as nylas_seed,
};
use postrider_feedd::{GmailBox, GmailServer, seed as gmail_seed};
use postrider_imapd::life::Life;
use postrider_imapd::{Mailbox, Server, User, seed};
use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// Something happens in it so often.
pub(super) const PULSE: Duration = Duration::from_secs(3);
/// The mailbox's seed: the same mail at every start.
const SEED: u64 = 2026;
/// Messages in it, about.
const MESSAGES: usize = 400;
/// More than it is ever asked.
const FREE: u64 = 1_000_000_000;

/// A mailbox that lives.
pub(super) enum DemoMailbox {
    /// Served over IMAP.
    Imap(Mailbox, Life),
    /// Served over Gmail's API.
    Gmail(GmailBox, GmailLife),
    /// Served as Nylas serves it.
    Nylas(NylasBox, NylasLife),
}

impl DemoMailbox {
    pub(super) fn imap() -> Self {
        Self::Imap(seed::mailbox(SEED, MESSAGES), Life::new(SEED))
    }

    pub(super) fn gmail() -> Self {
        Self::Gmail(gmail_seed::mailbox(SEED, MESSAGES), GmailLife::new(SEED))
    }

    pub(super) fn nylas() -> Self {
        let mailbox = nylas_seed::mailbox(SEED, MESSAGES, "microsoft");
        Self::Nylas(mailbox, NylasLife::new(SEED))
    }

    /// One more thing happens, at a Unix time.
    pub(super) fn step(&mut self, unix: i64) {
        match self {
            Self::Imap(mailbox, life) => drop(life.step(mailbox, unix)),
            Self::Gmail(mailbox, life) => life.step(mailbox, unix.saturating_mul(1000)),
            Self::Nylas(mailbox, life) => life.step(mailbox, unix),
        }
    }

    /// Serves it on a free port of loopback, for as long as what is returned lives.
    pub(super) async fn serve(&self) -> io::Result<(u16, Box<dyn Any + Send>)> {
        match self {
            Self::Imap(mailbox, _) => {
                let user = User { password: "demo".into(), mailbox: mailbox.clone() };
                let users = BTreeMap::from([("demo".to_owned(), user)]);
                let server = Server::start(users, |_, _| None).await?;
                Ok((server.port(), Box::new(server)))
            }
            Self::Gmail(mailbox, _) => {
                let server = GmailServer::start(mailbox, |_| None).await?;
                Ok((server.port(), Box::new(server)))
            }
            Self::Nylas(mailbox, _) => {
                let application = NylasApplication::new("demo", &[mailbox]);
                let server = NylasServer::start(&application, |_| None).await?;
                Ok((server.port(), Box::new(server)))
            }
        }
    }

    /// The account that follows it.
    pub(super) fn account(&self, port: u16) -> Account {
        let (provider, username, secret_key) = match self {
            Self::Imap(..) => (IMAP, "demo", "password"),
            Self::Gmail(..) => (GMAIL, "demo@example.com", "access_token"),
            Self::Nylas(..) => (NYLAS, "demo@example.com", "api_key_file"),
        };
        let plan = QuotaPlan { user: FREE, shared: FREE, day: None, get: 20 };
        let grant = matches!(self, Self::Nylas(..)).then(|| Grant {
            application: "demo".to_owned(),
            id: "grant-1".to_owned(),
            gone_after: Duration::ZERO,
        });
        let api = matches!(self, Self::Gmail(..) | Self::Nylas(..)).then(|| Api {
            base: String::new(),
            plan,
            grant,
        });
        Account {
            id: "demo".into(),
            was: None,
            owner: None,
            addresses: Vec::new(),
            provider,
            host: "127.0.0.1".into(),
            port,
            security: Security::Plain,
            proxy: None,
            compress: matches!(self, Self::Nylas(..)),
            ca_file: None,
            ca_file_at: Origin::Argument,
            username: username.into(),
            username_at: Origin::Argument,
            secret: SecretFrom::Inline("demo".to_owned().into()),
            folders: FolderFilter::default(),
            api,
            download_per_day: None,
            secret_at: (Origin::Argument, secret_key),
        }
    }
}

/// Has the mailbox looked at after each thing that happens.
pub(super) async fn ask_on(client: Client) {
    loop {
        tokio::time::sleep(PULSE).await;
        // A look that is refused (one is under way, the server stops) is made good by the next.
        drop(client.quietly("/v1/accounts/demo/sync-now").await);
    }
}
