//! Brings config and tree together: at the start, and after every edit of the file or of a secret.

use crate::account::args::AccountArgs;
use crate::boot::grants::Given;
use crate::boot::wiring::Engine;
use crate::config::{Account, Config, Flaw, Schedule};
use crate::deliver::SubscriberBook;
use crate::push::{AskFor, Subscriptions, Whose};
use crate::server::edits::{Edit, begin_of, compare, conflicts, needs_restart, row_of};
use crate::server::push_ask::{AccountAsk, subscriptions};
use crate::store::StoredAccount;
use crate::store::orders::Control;
use crate::supervision::accounts::Wanted;
use crate::supervision::root::RootMsg;
use crate::telemetry::registry::Registry;
use postrider_core::account::follow::Command;
use postrider_core::derive::Made;
use postrider_core::failure::Failure;
use postrider_core::mail::body::BodyHash;
use postrider_core::recovery::waiting::Marks;
use postrider_core::standing::Standing;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Looks (one a second) after which a secret that could not be had is asked for again.
const SECRET_AGAIN_AFTER: u32 = 60;
/// Password files that a look looks at, each in its turn: what it costs does not grow with the
/// accounts.
const FILES: usize = 500;

/// What a file looked like: inode, length, time of change.
pub(super) type Stamp = Option<(u64, u64, i64, i64)>;

/// How a file looks now; `None` when there is none.
pub(super) fn stamp_of(file: &Path) -> Stamp {
    let meta = std::fs::metadata(file).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

/// The accounts that are followed, by what they were followed with.
#[derive(Debug)]
pub(super) struct Followed {
    config: Config,
    prints: BTreeMap<String, String>,
    secrets: BTreeMap<String, Stamp>,
    /// What they log in with: exchanged in place when the secret is another.
    passwords: BTreeMap<String, Given>,
    /// Accounts whose secret could not be had: asked for again after a while.
    lacking: bool,
    looks: u32,
    /// The account whose secret is looked at next.
    next: usize,
    /// Ids in force, and those that they had before, for who may be purged.
    pub(super) ids: Arc<Mutex<BTreeSet<String>>>,
    pub(super) mode: watch::Sender<postrider_core::account::schedule::Mode>,
    pub(super) schedules: watch::Sender<Arc<[Schedule]>>,
    pub(super) retention: watch::Sender<postrider_core::retention::Retention>,
    pub(super) subscribers: Arc<SubscriberBook>,
    pub(super) whose: watch::Sender<Arc<Whose>>,
    /// What providers are asked to push: told of each run that has ended.
    pub(super) subscriptions: Arc<Subscriptions>,
    /// Who asks, for those that can be followed.
    asks: BTreeMap<String, AskFor>,
}

/// What the accounts of a config are to be followed with.
#[derive(Debug, Default)]
struct Prepared {
    prints: BTreeMap<String, String>,
    secrets: BTreeMap<String, Stamp>,
    passwords: BTreeMap<String, Given>,
    lacking: bool,
    /// Those that go on with another secret.
    fresh: Vec<String>,
    /// What the others begin with, or why they cannot.
    ready: BTreeMap<String, Result<AccountArgs, Failure>>,
}

/// Everything of the config that an account is followed with, but its secret. Of a file its stamp: a
/// bundle of roots is large, and many accounts name the same.
fn settings_print(account: &Account, config: &Config) -> String {
    let ca = account.ca_file.as_ref().map(|file| stamp_of(file));
    let place = (
        &account.host,
        account.port,
        account.security,
        ca,
        &account.username,
        &account.folders,
        &account.was,
        (&account.owner, &account.addresses),
        (
            format!("{:?}", account.secret.issuer()),
            account.secret.grant(),
            (account.download_per_day, &account.api, &account.proxy, account.compress),
        ),
    );
    let rules = (
        config.mode,
        config.timeouts,
        config.confirm_after,
        config.recent_messages,
        config.recovery,
        config.keep,
    );
    format!("{place:?} {rules:?}")
}

/// What is kept of a print: what is stored with an account's wait tells nobody where it lives.
fn mark_of(print: &str) -> String {
    BodyHash(Sha256::digest(print).into()).to_string().chars().take(16).collect()
}

/// So long an edit waits until it is stored whose an account is.
const OWNED: Duration = Duration::from_secs(30);

impl Followed {
    /// Nobody yet.
    #[must_use]
    pub(super) fn nobody(config: &Config, registry: &Registry) -> Self {
        Self {
            config: Config { accounts: Vec::new(), ..config.clone() },
            prints: BTreeMap::new(),
            secrets: BTreeMap::new(),
            passwords: BTreeMap::new(),
            lacking: false,
            looks: 0,
            next: 0,
            ids: Arc::default(),
            mode: watch::Sender::new(config.mode),
            schedules: watch::Sender::new(Arc::default()),
            retention: watch::Sender::new(config.retention),
            subscribers: Arc::default(),
            whose: watch::Sender::default(),
            subscriptions: Arc::new(subscriptions(config, registry)),
            asks: BTreeMap::new(),
        }
    }

    /// The config in force.
    #[must_use]
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Whether a password file of an account has changed since it was read, or one that could not
    /// be had is to be tried again.
    pub(super) fn has_new_secret(&mut self) -> bool {
        self.looks = self.looks.wrapping_add(1);
        if self.lacking && self.looks.is_multiple_of(SECRET_AGAIN_AFTER) {
            return true;
        }
        let changed = |account: &Account| {
            let file = account.secret.file();
            file.is_some_and(|file| self.secrets.get(&account.id) != Some(&stamp_of(file)))
        };
        let accounts = &self.config.accounts;
        let (from, looked) = (self.next, accounts.len().min(FILES));
        self.next = (from + looked).checked_rem(accounts.len()).unwrap_or(0);
        let (before, behind) = accounts.split_at(from.min(accounts.len()));
        behind.iter().chain(before).take(looked).any(changed)
    }

    /// Follows what this config says. Refused, nothing has changed.
    ///
    /// # Errors
    /// What config and database say against each other, or that the database cannot be asked (a
    /// problem without a place).
    pub(super) async fn apply(&mut self, engine: &Engine, config: Config) -> Result<Edit, Refused> {
        let stored = engine.reader().stored_accounts(None).await.map_err(Refused::Failure)?;
        let problems = conflicts(&config, &stored);
        if !problems.is_empty() {
            return Err(Refused::Problems(problems));
        }
        for key in needs_restart(&self.config, &config) {
            tracing::warn!("{key}: this takes effect with the next start");
        }
        let mut edit_of_subscribers = self.subscribers.edit();
        // Who may see an account is so before anything else is, whether it is followed or not.
        for account in &config.accounts {
            let Some(row) = row_of(account, &stored) else { continue };
            if row.owner != account.owner {
                let (name, owner) = (row.name.clone(), account.owner.clone());
                let own = Control::Own { account: name, owner };
                engine.switchboard().control(own, OWNED).await.map_err(Refused::Failure)?;
            }
        }
        let mut next = self.prepare(engine, &config).await;
        for (id, args) in &next.ready {
            self.asks.remove(id);
            if let Ok(args) = args {
                let ask: AskFor = (args.endpoint.kind(), Arc::new(AccountAsk::of(args)));
                self.asks.insert(id.clone(), ask);
            }
        }
        self.asks.retain(|id, _| next.prints.contains_key(id));
        let edit = edit_of(&self.prints, &next.prints, &config, &stored);
        let (wanted, prints) = (wanted(engine, &config, &stored, &edit, &mut next), next.prints);
        *self.ids.lock().unwrap_or_else(PoisonError::into_inner) = prints
            .keys()
            .cloned()
            .chain(config.accounts.iter().filter_map(|a| a.was.clone()))
            .collect();
        self.mode.send_replace(config.mode);
        self.retention.send_replace(config.retention);
        let schedules: Arc<[Schedule]> = config.schedules.clone().into();
        self.schedules.send_if_modified(|known| {
            let is_other = *known != schedules;
            *known = schedules;
            is_other
        });
        self.whose.send_replace(Arc::new(Whose::of(&config.accounts, &self.asks)));
        edit_of_subscribers.has(config.subscribers.clone().into());
        engine.pressure().limit(config.memory_limit);
        let ended = |_| Refused::Failure(Failure::bug("the tree has ended"));
        let follow = RootMsg::Follow(wanted, edit.gone.clone());
        engine.root().cast(follow).map_err(ended)?;
        if self.config.search_index != config.search_index {
            let made = Made::now(config.search_index);
            engine.root().cast(RootMsg::DeriveSo(made)).map_err(ended)?;
        }
        self.prints = prints;
        self.secrets = next.secrets;
        self.passwords = next.passwords;
        self.lacking = next.lacking;
        self.config = config;
        for id in next.fresh {
            tracing::info!(account.id = %id, "it has a new secret; the next login uses it");
            // Who waited for one tries again; to anybody else it is no news.
            engine.switchboard().tell(&id, Command::Woken);
        }
        Ok(edit)
    }

    /// What each account of a config is to be given.
    async fn prepare(&self, engine: &Engine, config: &Config) -> Prepared {
        let mut next = Prepared::default();
        for account in &config.accounts {
            if let Some(file) = account.secret.file() {
                // Before it is read: a change in between is seen the next time.
                next.secrets.insert(account.id.clone(), stamp_of(file));
            }
            let settings = settings_print(account, config);
            let password = engine.given(account).await;
            next.lacking |= password.is_err();
            let held = self
                .passwords
                .get(&account.id)
                .filter(|_| self.prints.get(&account.id) == Some(&settings));
            if let Some(held) = held {
                match &password {
                    // It goes on; the next login uses the new one.
                    Ok(new) if held.exchange(new) => next.fresh.push(account.id.clone()),
                    Ok(_) => {}
                    Err(failure) => tracing::warn!(
                        account.id = %account.id,
                        "its secret cannot be had now; it goes on with the one it has: {}",
                        failure.chain()
                    ),
                }
                next.passwords.insert(account.id.clone(), held.clone());
                next.prints.insert(account.id.clone(), settings);
                continue;
            }
            let args = match password {
                Ok(password) => {
                    next.passwords.insert(account.id.clone(), password.clone());
                    engine
                        .account_args(
                            account,
                            config,
                            false,
                            Arc::<Subscriptions>::clone(&self.subscriptions),
                            password.credential(),
                        )
                        .await
                }
                Err(failure) => Err(failure),
            };
            let args = args.map(|args| AccountArgs { settings: mark_of(&settings), ..args });
            next.lacking |= args.is_err();
            let why = args.as_ref().err().map(|failure| format!(" {failure}")).unwrap_or_default();
            next.prints.insert(account.id.clone(), settings + &why);
            next.ready.insert(account.id.clone(), args);
        }
        next
    }
}

/// What is different, with those who are in the database and no longer in the config.
fn edit_of(
    before: &BTreeMap<String, String>,
    prints: &BTreeMap<String, String>,
    config: &Config,
    stored: &[StoredAccount],
) -> Edit {
    let mut edit = compare(before, prints, config);
    // At the start: who is in the database and no longer in the config.
    let renamed: BTreeSet<&str> = config.accounts.iter().filter_map(|a| a.was.as_deref()).collect();
    let known = |name: &str| prints.contains_key(name) || renamed.contains(name);
    for row in stored.iter().filter(|row| row.standing != Standing::Removed && !known(&row.name)) {
        if !edit.gone.contains(&row.name) {
            edit.gone.push(row.name.clone());
        }
    }
    edit
}

/// Whom the tree is to follow anew, and with what.
fn wanted(
    engine: &Engine,
    config: &Config,
    stored: &[StoredAccount],
    edit: &Edit,
    next: &mut Prepared,
) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let wall = engine.registry().clock().now().wall;
    let by_id: BTreeMap<&str, &Account> =
        config.accounts.iter().map(|account| (account.id.as_str(), account)).collect();
    for id in &edit.changed {
        // It is seen from now on, whenever it is admitted.
        let account = by_id.get(id.as_str()).copied();
        let row = account.and_then(|account| row_of(account, stored));
        let ready = next.ready.get(id).and_then(|ready| ready.as_ref().ok());
        let family = ready.map(|args| args.endpoint.family());
        engine.registry().account(id, |line| {
            line.provider = account.map_or("", |account| account.provider);
            line.owner = account.and_then(|account| account.owner.clone());
            line.family = family;
            let Some(row) = row.filter(|_| line.proved.is_none()) else { return };
            line.stale = row.looked_at.map_or(Duration::ZERO, |at| wall.since(at));
            line.last_success = line.last_success.or(row.proved_at);
        });
    }
    let changed: BTreeSet<&str> = edit.changed.iter().map(String::as_str).collect();
    for account in config.accounts.iter().filter(|a| changed.contains(a.id.as_str())) {
        let Some(args) = next.ready.remove(&account.id) else { continue };
        let secret = args.as_ref().map(|args| args.credential.mark()).unwrap_or_default();
        let settings = args.as_ref().map_or("", |args| &args.settings);
        let past = begin_of(row_of(account, stored), Marks { settings, secret: &secret }, wall);
        wanted.push(Wanted {
            name: account.id.clone(),
            was: account.was.clone(),
            args: args.map(Box::new),
            past,
        });
    }
    wanted
}

/// Why an edit is not in force.
#[derive(Debug)]
pub(super) enum Refused {
    /// What is wrong, and where.
    Problems(Vec<Flaw>),
    /// The database cannot be asked, or the tree is gone.
    Failure(Failure),
}
