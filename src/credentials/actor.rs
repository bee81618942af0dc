//! The CredentialActor: one a credential that is renewed. It alone asks the issuer, so no two
//! renewals of one credential meet; a rotated token is durable before anybody uses what came with
//! it. Whoever asks for a token may go away: a renewal that has begun is ended all the same.
#![expect(clippy::disallowed_methods, reason = "waits and writes have deadlines")]

use crate::clock::Clock;
use crate::credentials::issuer::{Issuer, unusable};
use crate::credentials::pace::Pace;
use crate::credentials::tokens::{TokenPair, row_of};
use crate::credentials::vault::Vault;
use crate::fault;
use crate::handle::Queued;
use crate::provider::Coming;
use crate::reply::ReplyTo;
use crate::telemetry::registry::Registry;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::oauth::{CredentialRow, renew_at};
use postrider_core::standing::Activity;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;

/// A turn that is farther away is told to the account, which waits for it.
const NEAR: Duration = Duration::from_secs(1);
/// A token that could not be renewed is used until so long before its end.
const LAST: Duration = Duration::from_secs(30);

/// Where the rows of credentials are kept.
pub trait GrantRows: std::fmt::Debug + Send + Sync {
    /// The row of the first of these accounts that has one.
    ///
    /// # Errors
    /// Class storage.
    fn row<'a>(
        &'a self,
        accounts: &'a [String],
    ) -> Coming<'a, Result<Option<CredentialRow>, Failure>>;

    /// Makes the next generation durable, if the stored one is still `from`; answers whether it is.
    ///
    /// # Errors
    /// Class storage: whether it is durable is not known.
    fn renew(&self, from: i64, row: CredentialRow) -> Coming<'_, Result<bool, Failure>>;

    /// Keeps why a generation could not be renewed.
    ///
    /// # Errors
    /// Class storage.
    fn note(&self, row: &CredentialRow, error: String) -> Coming<'_, Result<(), Failure>>;
}

/// What the actor is asked.
#[derive(Debug)]
pub enum CredentialRequest {
    /// An access token; another than `refused`, where a server has refused one.
    Token {
        /// What was refused.
        refused: Option<SecretString>,
        /// Takes it.
        reply: ReplyTo<Result<SecretString, Failure>>,
    },
    /// The config says something else of it.
    Configure(Box<CredentialArgs>),
    /// The process ends: what is under way is ended, what is not durable is written, and nothing
    /// is renewed any more.
    Settle(ReplyTo<()>),
}

/// What it is told.
pub type CredentialMsg = Queued<CredentialRequest>;

/// What the actor is made with.
#[derive(Clone, Debug)]
pub struct CredentialArgs {
    /// Its path in the tree.
    pub path: String,
    /// The account's id in the config, and the one it had before.
    pub names: Vec<String>,
    /// Whose mailbox it opens.
    pub username: String,
    /// Who issues its tokens.
    pub issuer: Arc<Issuer>,
    /// What they are sealed with.
    pub vault: Arc<Vault>,
    /// Keeps its row.
    pub rows: Arc<dyn GrantRows>,
    /// Time.
    pub clock: Clock,
    /// Turns of all credentials.
    pub pace: Arc<Pace>,
    /// Where it is seen.
    pub registry: Registry,
}

/// The actor.
#[derive(Debug, Default)]
pub struct CredentialActor;

/// What it holds.
#[derive(Debug)]
pub struct CredentialState {
    args: CredentialArgs,
    held: Option<Generation>,
    /// Has come, and is not durable: nobody uses it before it is.
    unwritten: Option<Generation>,
    /// When its turn to renew is.
    turn: Option<Duration>,
    /// The process ends.
    leaving: bool,
}

#[derive(Clone, Debug)]
struct Generation {
    row: CredentialRow,
    tokens: TokenPair,
}

impl Actor for CredentialActor {
    type Msg = CredentialMsg;
    type State = CredentialState;
    type Arguments = CredentialArgs;

    async fn pre_start(
        &self,
        _me: ActorRef<CredentialMsg>,
        args: CredentialArgs,
    ) -> Result<CredentialState, ActorProcessingErr> {
        Ok(CredentialState { args, held: None, unwritten: None, turn: None, leaving: false })
    }

    async fn handle(
        &self,
        _me: ActorRef<CredentialMsg>,
        message: CredentialMsg,
        state: &mut CredentialState,
    ) -> Result<(), ActorProcessingErr> {
        let asked = message.open();
        fault::pass("panic.credential");
        match asked {
            CredentialRequest::Token { refused, reply } => {
                let answer = state.token(refused.as_ref()).await;
                state.show(answer.as_ref().err());
                reply.send(answer);
            }
            CredentialRequest::Configure(args) => {
                state.args = *args;
                state.held = None;
            }
            CredentialRequest::Settle(reply) => {
                state.leaving = true;
                if let Some(generation) = state.unwritten.take()
                    && let Err(failure) = state.write(generation).await
                {
                    tracing::error!(account.id = %state.account(), "its renewed token is lost: {}", failure.chain());
                }
                reply.send(());
            }
        }
        Ok(())
    }
}

/// Whether two secrets are one.
pub(super) fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

/// Nobody has granted access, or the grant is another's: a human must.
fn not_granted(account: &str, why: &str) -> Failure {
    let text = format!("{why}: run `postrider auth login {account}`");
    Failure::new(Class::Auth, Reach::Account, Provenance::Local, text).when(When::AfterChange)
}

impl CredentialState {
    fn account(&self) -> &str {
        self.args.names.first().map_or("", String::as_str)
    }

    fn show(&self, failure: Option<&Failure>) {
        let (registry, path) = (&self.args.registry, &self.args.path);
        let ends = self.held.as_ref().map(|held| held.row.expires_at);
        match failure {
            Some(failure) => {
                registry.failed(path, failure);
                registry.does(path, Activity::Running.as_str(), "renew its token when asked", None);
            }
            None => registry.does(path, Activity::Running.as_str(), "its token ends", ends),
        }
    }

    async fn token(&mut self, refused: Option<&SecretString>) -> Result<SecretString, Failure> {
        if let Some(generation) = self.unwritten.take() {
            self.write(generation).await?;
        }
        // Somebody may have granted anew, in another process: the row says which is the last.
        self.load().await?;
        for _ in 0..2 {
            let Some(held) = &self.held else {
                return Err(not_granted(self.account(), "nobody has granted access yet"));
            };
            let row = &held.row;
            let life = row.expires_at.since(row.renewed_at);
            let now = self.args.clock.now().wall;
            // Where the issuer gave none that can be shown, nothing is good, whatever its row says.
            let has_one = !held.tokens.access.expose_secret().is_empty();
            let is_refused =
                !has_one || refused.is_some_and(|refused| is_same(refused, &held.tokens.access));
            if !is_refused && now < renew_at(row.renewed_at, life, &row.account) {
                return Ok(held.tokens.access.clone());
            }
            let good = !is_refused && now.plus(LAST) < row.expires_at;
            let access = held.tokens.access.clone();
            match self.renew().await {
                Ok(true) => break,
                // Another writer was quicker: what it wrote counts.
                Ok(false) => self.load().await?,
                // It is good for a while yet.
                Err(failure) if good => {
                    tracing::warn!(account.id = %self.account(), "its token could not be renewed yet: {}", failure.chain());
                    return Ok(access);
                }
                Err(failure) => return Err(failure),
            }
        }
        let access = self.held.as_ref().map(|held| held.tokens.access.clone());
        let access =
            access.ok_or_else(|| not_granted(self.account(), "its grant was taken back"))?;
        if access.expose_secret().is_empty() { Err(unusable()) } else { Ok(access) }
    }

    /// Reads the row, if another generation than the one at hand is stored.
    async fn load(&mut self) -> Result<(), Failure> {
        let found = self.args.rows.row(&self.args.names).await?;
        let Some(row) = found else {
            self.held = None;
            return Ok(());
        };
        let place = self.args.issuer.place();
        if row.username != self.args.username || row.issuer != place.name {
            let text = format!("access was granted to {} by {}", row.username, row.issuer);
            return Err(not_granted(self.account(), &text));
        }
        let is_held =
            |held: &Generation| held.row.version == row.version && held.row.sealed == row.sealed;
        if self.held.as_ref().is_none_or(|held| !is_held(held)) {
            let tokens = TokenPair::to_log_in(&row, &self.args.vault)?;
            self.held = Some(Generation { row, tokens });
        }
        Ok(())
    }

    /// Asks the issuer for the next generation. Returns whether it is the one that is stored now.
    async fn renew(&mut self) -> Result<bool, Failure> {
        let Some(held) = self.held.clone() else { return Ok(false) };
        if self.leaving {
            let text = "the process ends: no token is renewed any more";
            return Err(Failure::new(Class::Network, Reach::Account, Provenance::Local, text));
        }
        self.wait_for_turn().await?;
        let issued = match self.args.issuer.refresh(&held.tokens.refresh).await {
            Ok(issued) => issued,
            Err(failure) => {
                self.note(&held.row, &failure).await;
                return Err(failure);
            }
        };
        fault::pass("credential.issued");
        let Some(mut tokens) = TokenPair::of(&issued, Some(&held.tokens)) else { return Ok(false) };
        let now = self.args.clock.now().wall;
        let old = &held.row;
        let fresh = row_of(&old.account, &old.issuer, &old.username, old.version, &issued, now);
        let scopes = issued.scopes.unwrap_or_else(|| old.scopes.clone());
        let mut row = CredentialRow { granted_at: old.granted_at, scopes, ..fresh };
        if issued.access.is_none() {
            // What is good for a while yet stays so; what was rotated is kept.
            tokens.access = held.tokens.access.clone();
            (row.renewed_at, row.expires_at) = (old.renewed_at, old.expires_at);
        }
        let row = tokens.seal(row, &self.args.vault)?;
        let is_usable = issued.access.is_some();
        match self.write(Generation { row, tokens }).await {
            // What was rotated is kept all the same.
            Ok(true) if !is_usable => Err(unusable()),
            written => written,
        }
    }

    /// Makes a generation durable, and then the one that is used.
    async fn write(&mut self, generation: Generation) -> Result<bool, Failure> {
        let row = generation.row.clone();
        let done = self.args.rows.renew(row.version - 1, row).await;
        fault::pass("credential.written");
        match done {
            Ok(true) => {
                self.held = Some(generation);
                Ok(true)
            }
            // Somebody else has written meanwhile, or this very one, whose answer was lost.
            Ok(false) => Ok(false),
            Err(failure) => {
                self.unwritten = Some(generation);
                Err(failure)
            }
        }
    }

    /// Keeps why it could not be renewed, for who looks: losing that costs nothing.
    async fn note(&self, row: &CredentialRow, failure: &Failure) {
        if let Err(e) = self.args.rows.note(row, failure.to_string()).await {
            tracing::warn!(account.id = %self.account(), "why it was not renewed is not kept: {}", e.chain());
        }
    }

    /// Waits for its turn, or says how long that takes.
    async fn wait_for_turn(&mut self) -> Result<(), Failure> {
        let now = self.args.clock.now().mono;
        let turn = *self.turn.get_or_insert_with(|| self.args.pace.turn(now));
        let wait = turn.saturating_sub(now);
        if wait > NEAR {
            let text =
                format!("many tokens are to be renewed; its turn is in {} s", wait.as_secs());
            let failure = Failure::new(Class::RateLimit, Reach::Account, Provenance::Local, text);
            return Err(failure.when(When::After(wait)));
        }
        tokio::time::sleep(wait).await;
        self.turn = None;
        Ok(())
    }
}

/// Tells the grant of a row from others.
#[must_use]
pub fn mark_of(row: Option<&CredentialRow>) -> String {
    row.map_or(String::new(), |row| format!("{} {}", row.issuer, row.granted_at.0))
}
