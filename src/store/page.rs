//! Pages of lists: whose mail, which part of it, and why there is none.

use crate::store::failure::Trouble;
use crate::store::read::{Reader, failed};
use crate::store::sql::list::Piece;
use crate::store::sql::query::{Asks, Document};
use postrider_core::failure::Failure;
use postrider_core::list::{Below, Filter, Merge, Position, Source};
use postrider_core::mail::id::AccountId;

/// Lists that are read as one, at most: an account each, or a folder.
pub(super) const LISTS_MOST: usize = 5000;

/// Why there is no page.
#[derive(Debug)]
pub enum NoPage {
    /// There is no such account, folder, thread, contact.
    Missing(&'static str),
    /// No folder is called so.
    NoFolder(String),
    /// So many accounts, or folders of them, are too many to be read as one.
    TooMany(usize),
    /// No words of these accounts are indexed.
    NoWords,
    /// The database.
    Failed(Failure),
}

impl From<Failure> for NoPage {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Trouble> for NoPage {
    fn from(why: Trouble) -> Self {
        Self::Failed(failed(why))
    }
}

/// Whose mail is read.
#[derive(Clone, Debug)]
pub struct Scope {
    pub(super) accounts: Vec<AccountId>,
    /// These are all accounts that there are.
    pub(super) is_all: bool,
    /// Words of some are indexed.
    pub(super) has_words: bool,
    /// The same words are there of each.
    pub(super) has_all_words: bool,
    /// Nothing of it is still to be derived.
    pub is_complete: bool,
}

impl Scope {
    pub(super) fn has(&self, account: AccountId) -> bool {
        self.accounts.contains(&account)
    }

    /// Nothing that this asks for is still to be derived.
    #[must_use]
    pub fn is_complete_for(&self, filter: &Filter) -> bool {
        let asks_words = filter.source() == Source::Words;
        self.is_complete && (self.has_all_words || !asks_words)
    }

    pub(super) fn document(&self) -> Result<Document, Trouble> {
        Document::of(&self.numbers())
    }

    /// Each account as a list.
    pub(super) fn lists(&self) -> Result<Vec<i64>, NoPage> {
        few(self.numbers())
    }

    fn numbers(&self) -> Vec<i64> {
        self.accounts.iter().map(|account| account.0).collect()
    }
}

/// As many as are read as one.
pub(super) fn few(lists: Vec<i64>) -> Result<Vec<i64>, NoPage> {
    if lists.len() > LISTS_MOST { Err(NoPage::TooMany(lists.len())) } else { Ok(lists) }
}

/// From where a page goes on, and how long it may be.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Behind this.
    pub behind: Option<Position>,
    /// So many.
    pub limit: usize,
}

/// Part of a list.
#[derive(Debug)]
pub struct Listed<T> {
    /// What is in it, and where it stands.
    pub items: Vec<(Position, T)>,
    /// Behind which it goes on; nothing at the end.
    pub next: Option<Position>,
}

/// The next ones, so many at most.
pub(super) fn taken<T: Copy + PartialEq>(merge: &mut Merge<T>, most: usize) -> Vec<(Position, T)> {
    std::iter::from_fn(|| merge.take()).take(most).collect()
}

/// As the texts take them.
pub(super) fn wanted(below: &[Below], most: usize) -> Result<(Document, i64), Trouble> {
    let lists: Vec<(i64, i64, i64)> =
        below.iter().map(|below| (below.list, below.at, below.id)).collect();
    Ok((Document::of(&lists)?, i64::try_from(most).unwrap_or(i64::MAX)))
}

/// What lists have, the highest first.
pub(super) async fn pieces<Q: Asks<Row = Piece>>(
    reader: &Reader,
    query: Q,
) -> Result<Vec<(Position, i64)>, Trouble> {
    let mut all = Vec::new();
    for Piece { list, found } in reader.ask(query).await? {
        let rows = found.map_or_else(Vec::new, |found| found.0);
        all.extend(rows.into_iter().map(|(at, id, of)| (Position { at, id, list }, of)));
    }
    // A database says of no list in which order its texts were put together.
    all.sort_unstable_by(|a, b| b.cmp(a));
    Ok(all)
}
