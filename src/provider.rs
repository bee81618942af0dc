//! The door to servers. Whoever wants a session says where, who and with which secret, and gets one
//! whose kind it does not know: nothing outside `provider/` names a provider. One is a directory;
//! its wire types never leave it.

mod api;
mod coming;
mod credential;
mod credits;
mod gmail;
mod head;
pub mod imap;
pub mod in_flight;
mod memory;
mod nylas;
mod opened;
pub mod pressure;
mod purse;
mod push;
mod redact;
mod session;
mod signed;
mod sink;
mod trust;
mod waits;

pub use coming::Coming;
pub use credential::{Credential, GuardedCredential, Login, Secret};
pub use credits::Credits;
pub use memory::{HeldBody, Memory};
pub use opened::{OpenSession, open};
pub use purse::{Denied, Payee, Payment, Purse, Units};
pub use push::{
    AskedWebhook, PushAbout, PushChallenge, PushEntry, PushJudge, PushPort, PushQueue, PushRefusal,
    PushSigner, PushSource, Pushed, Queued, ToldPush,
};
pub use redact::{REPEATED, Redactor};
pub use session::{Ask, Asks, Endpoint, Leash, Opening, Session, Watching};
pub use sink::{Sink, Sinks};
pub use waits::{Wait, Waits};

use crate::clock::Clock;
use crate::telemetry::wire::WireLog;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::push::{FreshSecret, WebhookAnswer, WebhookQuestion};
use postrider_core::provider::server::{
    AskedPush, PulledPush, PushPlace, PushWay, Server, SharedPush,
};
use std::sync::Arc;

/// Why the secret that pushes are signed with cannot be had.
pub(crate) fn shared_push_lacks(place: &SharedPush) -> Option<String> {
    nylas::secrets(&place.secret_file).err()
}

/// A server of this kind (the config's word) at this place.
///
/// # Errors
/// Class config when TLS roots cannot be had, or no provider has this word.
pub fn endpoint(kind: &str, server: Server) -> Result<Arc<dyn Endpoint>, Failure> {
    match kind {
        imap::KIND => Ok(Arc::new(imap::ImapEndpoint::of(server)?)),
        gmail::KIND => Ok(Arc::new(gmail::GmailEndpoint::of(server)?)),
        nylas::KIND => Ok(Arc::new(nylas::NylasEndpoint::of(server)?)),
        other => {
            let text = format!("there is no provider \"{other}\"");
            Err(Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
                .when(When::AfterChange))
        }
    }
}

/// The mailbox that a user name is of, in one writing, among those of this kind.
#[must_use]
pub fn mailbox_of(kind: &str, username: &str) -> String {
    match kind {
        gmail::KIND => gmail::mailbox(username),
        _ => username.to_lowercase(),
    }
}

/// Asks about the webhook of an application of this kind, with the application's key.
///
/// # Errors
/// Whatever the server's words mean, and what keeps the key from being shown; network and timeout: nobody knows whether one
/// was made.
///
/// # Cancel safety
/// As network.
pub async fn ask_webhook(
    kind: &str,
    place: &AskedPush,
    (key, clock): (Arc<dyn Credential>, Clock),
    wire: WireLog,
    question: &WebhookQuestion,
) -> Result<WebhookAnswer<FreshSecret>, Failure> {
    match kind {
        nylas::KIND => {
            let key = GuardedCredential::of(key);
            nylas::ask_webhook(place, (key, clock), wire, question).await
        }
        other => Err(Failure::bug(format!("\"{other}\" has no webhook that is asked for"))),
    }
}

/// Who pushes for accounts of this kind, and how it comes; what is asked for is asked for with this.
///
/// # Errors
/// Class config when no HTTP client can be made, a key cannot be read, or no such provider pushes.
pub fn push_source(
    place: &PushPlace,
    with: impl FnOnce(&PulledPush) -> Result<Arc<dyn Credential>, Failure>,
    clock: Clock,
) -> Result<PushPort, Failure> {
    match (place.provider, place.way.clone()) {
        (gmail::KIND, PushWay::Signed(place)) => {
            let entry = PushEntry::Sent(Arc::new(gmail::SignedPushes::of(place, clock)?));
            Ok(PushPort { source: Arc::new(gmail::GmailPushes), entry, webhook: None })
        }
        (gmail::KIND, PushWay::Pulled(place)) => {
            let credential = with(&place)?;
            let queue = gmail::PubsubQueue::of(place, credential, clock)?;
            let entry = PushEntry::Pulled(Arc::new(queue));
            Ok(PushPort { source: Arc::new(gmail::GmailPushes), entry, webhook: None })
        }
        (nylas::KIND, PushWay::Shared(shared)) => {
            let source = Arc::new(nylas::NylasPushes::of(&shared.application));
            let entry = PushEntry::Sent(Arc::new(nylas::SharedPushes::of(shared, clock)));
            Ok(PushPort { source, entry, webhook: None })
        }
        (nylas::KIND, PushWay::Asked(place)) => {
            let source = Arc::new(nylas::NylasPushes::of(&place.application));
            let signed = Arc::new(nylas::SharedPushes::told_later());
            let entry = PushEntry::Sent(Arc::<nylas::SharedPushes>::clone(&signed));
            let webhook = Some(AskedWebhook { place, signer: signed });
            Ok(PushPort { source, entry, webhook })
        }
        (other, _) => {
            let text = format!("there is no provider \"{other}\" that pushes");
            Err(Failure::new(Class::Config, Reach::Process, Provenance::Local, text)
                .when(When::AfterChange))
        }
    }
}
