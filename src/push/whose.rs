//! Whose mailbox a push is about, and who can be asked for pushes.

use crate::config::Account;
use crate::provider::mailbox_of;
use crate::reply::Soon;
use postrider_core::failure::Failure;
use postrider_core::provider::push::{PushReply, PushRequest};
use postrider_core::provider::server::Grant;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a provider answered; nothing where it could not be asked now.
pub(crate) type PushAnswer = Option<Result<PushReply, Failure>>;

/// An account's way to ask its provider for pushes.
pub(crate) trait PushAsk: std::fmt::Debug + Send + Sync {
    /// Whose mailbox it is, for the provider.
    fn username(&self) -> &str;
    /// Asks; within three minutes.
    fn ask(&self, request: PushRequest) -> Soon<PushAnswer>;
}

/// Who asks for an account, which is one of this provider.
pub(crate) type AskFor = (&'static str, Arc<dyn PushAsk>);

/// Accounts by provider and user name. Two may be of the same mailbox.
#[derive(Default)]
pub(crate) struct Whose {
    named: BTreeMap<(&'static str, String), Vec<String>>,
    /// The same by application and grant.
    granted: BTreeMap<(String, String), Vec<String>>,
    ids: BTreeMap<String, Option<AskFor>>,
    /// The ids that some had before: their rows may have them still.
    were: BTreeMap<String, String>,
}

impl Whose {
    /// Those of a config; some can be asked for pushes.
    pub(crate) fn of(accounts: &[Account], asks: &BTreeMap<String, AskFor>) -> Self {
        let mut all = Self::default();
        for account in accounts {
            let name = (account.provider, mailbox_of(account.provider, &account.username));
            all.named.entry(name).or_default().push(account.id.clone());
            if let Some(was) = &account.was {
                all.were.insert(account.id.clone(), was.clone());
            }
            let grant = account.api.as_ref().and_then(|api| api.grant.as_ref());
            if let Some(Grant { application, id, .. }) = grant {
                let grant = (application.clone(), id.clone());
                all.granted.entry(grant).or_default().push(account.id.clone());
            }
            all.ids.insert(account.id.clone(), asks.get(&account.id).cloned());
        }
        all
    }

    /// The ids of those that are meant.
    pub(super) fn named(&self, provider: &'static str, username: &str) -> &[String] {
        self.named
            .get(&(provider, mailbox_of(provider, username)))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The ids of those that were granted so to an application.
    pub(super) fn granted(&self, application: Option<&str>, grant: &str) -> &[String] {
        let grant = application.map(|application| (application.to_owned(), grant.to_owned()));
        grant.and_then(|grant| self.granted.get(&grant)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether some mailbox was granted to this application.
    pub(super) fn has_application(&self, application: &str) -> bool {
        let from = (application.to_owned(), String::new());
        self.granted.range(from..).next().is_some_and(|((of, _), _)| of == application)
    }

    /// What their rows may be called.
    pub(super) fn names_of(&self, ids: &[String]) -> Vec<String> {
        let were = ids.iter().filter_map(|id| self.were.get(id));
        ids.iter().chain(were).cloned().collect()
    }

    /// Whether there is an account of this id.
    pub(super) fn has(&self, account: &str) -> bool {
        self.ids.contains_key(account)
    }

    /// Those that can be asked, with their provider.
    pub(super) fn asks(&self) -> impl Iterator<Item = (&str, &'static str, &Arc<dyn PushAsk>)> {
        self.ids.iter().filter_map(|(id, ask)| {
            let (provider, ask) = ask.as_ref()?;
            Some((id.as_str(), *provider, ask))
        })
    }
}

impl std::fmt::Debug for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whose").field("accounts", &self.ids.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod scripted {
    use crate::push::whose::{PushAnswer, PushAsk};
    use crate::reply::Soon;
    use postrider_core::provider::push::PushRequest;

    /// Who is asked, by this name, and never answers: tests say what was answered.
    #[derive(Debug)]
    pub(crate) struct Somebody(pub(crate) String);

    impl PushAsk for Somebody {
        fn username(&self) -> &str {
            &self.0
        }
        fn ask(&self, _: PushRequest) -> Soon<PushAnswer> {
            Box::pin(std::future::pending())
        }
    }
}
