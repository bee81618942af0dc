//! Whose mailbox a push is about.

use crate::config::Account;
use std::collections::BTreeMap;

/// Accounts by provider and user name. Two may be of the same mailbox.
#[derive(Debug, Default)]
pub(crate) struct Whose(BTreeMap<(&'static str, String), Vec<String>>);

impl Whose {
    /// Those of a config.
    pub(crate) fn of(accounts: &[Account]) -> Self {
        let mut all: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for account in accounts {
            let name = (account.provider, account.username.to_lowercase());
            all.entry(name).or_default().push(account.id.clone());
        }
        Self(all)
    }

    /// The ids of those that are meant.
    pub(super) fn named(&self, provider: &'static str, username: &str) -> &[String] {
        self.0.get(&(provider, username.to_lowercase())).map(Vec::as_slice).unwrap_or_default()
    }
}
