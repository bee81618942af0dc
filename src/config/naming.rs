//! What `[[schedule]]` and `[[subscriber]]` are called, and which accounts they name.

use crate::config::mailbox::Account;
use crate::config::raw::{Items, Origin, RawItem, RawValue};
use crate::config::taker::Taker;

/// The accounts that can be named.
#[derive(Clone, Copy)]
pub(super) struct Nameable<'a> {
    /// Those that nothing is wrong with.
    pub(super) accounts: &'a [Account],
    /// All that are written.
    pub(super) written: &'a [(Origin, Items)],
}

impl Nameable<'_> {
    /// Whether somebody has this, be something else wrong with it or not.
    fn has(&self, key: &str, text: &str) -> bool {
        let is = |item: &RawItem| matches!(&item.value, RawValue::Text(one) if one == text);
        self.written.iter().any(|(_, items)| items.get(key).is_some_and(is))
    }

    /// The ids of accounts in `accounts`; `all`: `"*"` may stand for all of them.
    pub(super) fn named(&self, t: &mut Taker<'_>, all: bool) -> Option<Vec<String>> {
        let item = t.item("accounts")?;
        let before = t.problems.len();
        let named = t.list("accounts", Vec::new());
        let hint = match all {
            true => "ids of [[account]], or \"*\" alone",
            false => "ids of [[account]]",
        };
        if t.problems.len() > before {
            return None;
        }
        if named.is_empty() {
            t.wrong(item.place.clone(), "accounts", format!("nobody is named; write {hint}"));
        }
        let is_all = all && named == ["*"];
        for id in named.iter().filter(|id| !is_all && !self.has("id", id)) {
            let text = format!("there is no account \"{id}\"; write {hint}");
            t.wrong(item.place.clone(), "accounts", text);
        }
        Some(named)
    }

    /// Whose accounts: the `owner`, whom one of them has.
    pub(super) fn owner(&self, t: &mut Taker<'_>) -> Option<String> {
        let owner = t.text("owner")?;
        if let Some(item) = t.item("owner").filter(|_| !self.has("owner", &owner)) {
            t.wrong(item.place, "owner", format!("no account has the owner \"{owner}\""));
        }
        Some(owner)
    }
}

/// The `id` of one of these; `example`: how one may be called.
pub(super) fn id(t: &mut Taker<'_>, place: &Origin, what: &str, example: &str) -> String {
    if t.item("id").is_none() {
        let text = format!("it is needed: a name that no other {what} has, as id = \"{example}\"");
        t.wrong(place.clone(), "id", text);
    }
    let Some(id) = t.text("id") else { return String::new() };
    if let Some(RawItem { place, .. }) = t.item("id").filter(|_| !is_name(&id)) {
        let text = format!("{id:?} will not do; write up to 64 letters, digits, - and _");
        t.wrong(place, "id", text);
    }
    id
}

fn is_name(id: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=64).contains(&id.len()) && id.chars().all(fits)
}
