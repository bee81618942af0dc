//! The words of messages: an index that answers with numbers, of which the lowest is the newest message's.

use crate::store::sql::query::{Dialect, Document, queries, rows};
use crate::store::sql::{postgres, sqlite};
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::word::{Query, WordText};

/// Numbers go up as messages get older.
const TURNED: i64 = 1 << 62;

/// The number of the words of a message of this rank; and the other way round.
pub(in crate::store) fn number(rank: i64) -> i64 {
    TURNED.saturating_sub(rank)
}

/// The words of a message, as a database takes them.
pub(in crate::store) fn row(dialect: Dialect, account: AccountId, words: &WordText) -> Vec<String> {
    match dialect {
        Dialect::Sqlite => sqlite::words::row(account, words),
        Dialect::Postgres => vec![postgres::words::vector(account, words)],
    }
}

/// What a question asks the index of a database: of these accounts, or of all.
pub(in crate::store) fn asked(
    dialect: Dialect,
    accounts: Option<&[AccountId]>,
    query: &Query,
) -> String {
    match dialect {
        Dialect::Sqlite => sqlite::words::matching(accounts, query),
        Dialect::Postgres => postgres::words::matching(accounts, query),
    }
}

rows! {
    pub(in crate::store) struct FoundWords {
        pub(in crate::store) id: i64,
        pub(in crate::store) message: MessageId,
    }
}

queries! {
    /// A text about words.
    WordsText, words:
    /// Of these numbers, each with its message.
    DropWords { words: Document };
    DropWordRows { words: Document };
    /// Of these numbers, each with its message.
    PutWordRows { words: Document };
    /// Numbers, messages, and what `row` says.
    PutWords { words: Document };
    /// What `asked` says, behind the first number and up to the second, so many.
    FindWords { asked: String, behind: i64, until: i64, most: i64 } -> FoundWords;
    // Of a purge: what the next messages of the account, so many, are about.
    PurgeWords { account: AccountId, most: i64 };
    PurgeWordRows { account: AccountId, most: i64 };
}
