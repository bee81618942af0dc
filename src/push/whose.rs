//! Whose mailbox a push is about, and who can be asked for pushes.

use crate::config::Account;
use crate::provider::mailbox_of;
use crate::reply::Soon;
use postrider_core::failure::Failure;
use postrider_core::provider::push::{PushRequest, Pushing};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a provider answered; nothing where it could not be asked now.
pub(crate) type PushAnswer = Option<Result<Option<Pushing>, Failure>>;

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
    ids: BTreeMap<String, Option<AskFor>>,
}

impl Whose {
    /// Those of a config; some can be asked for pushes.
    pub(crate) fn of(accounts: &[Account], asks: &BTreeMap<String, AskFor>) -> Self {
        let mut all = Self::default();
        for account in accounts {
            let name = (account.provider, mailbox_of(account.provider, &account.username));
            all.named.entry(name).or_default().push(account.id.clone());
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
