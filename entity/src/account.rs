//! Mailboxes, one row each.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    /// Row number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The id in the config.
    #[sea_orm(unique)]
    pub name: String,
    /// `imap`.
    pub provider: String,
    /// Where it was last reached.
    pub host: String,
    /// Who logs in.
    pub username: String,
    /// What a message identity is made of, fixed at the first sync: `hash`, `emailid`, `gmail`.
    pub identity_kind: String,
    /// Public state.
    pub state: String,
    /// Why.
    pub reason: String,
    /// Since when, microseconds UTC.
    pub since: i64,
    /// When something happens next.
    pub next_attempt_at: Option<i64>,
    /// Raised whenever the cursors are handed out.
    pub incarnation: i64,
    /// When the EXAMINE was asked for that opened its first folder.
    pub opened_at: Option<i64>,
    /// Start of the last LIST that lacked nothing.
    pub listed_at: Option<i64>,
    /// First look at a LIST that lacks folders, JSON.
    pub list_look: Option<String>,
    /// Its failures so far, JSON.
    pub history: Option<String>,
    /// A mark of the secret and place that it was parked with.
    pub parked_for: Option<String>,
    /// For what it waits, since when and until when, JSON.
    pub waits: Option<String>,
    /// What was on its way when processes ended, and how often, JSON.
    pub asked: Option<String>,
    /// When `sync.deletions` was no longer `keep`.
    pub unkept_at: Option<i64>,
    /// RFC822.SIZE is an estimate there.
    pub sizes_estimated: bool,
    /// What the server deletes is kept for ever.
    pub keep: bool,
    /// The latest instant that a change of it has carried.
    pub stamped_at: Option<i64>,
    /// Whose it is.
    pub owner: Option<String>,
    /// What its feeds have still to do: JSON with the number of its format.
    pub feed: Option<String>,
    /// Its messages that are neither deleted nor in limbo.
    pub held: i64,
    /// Their octets.
    pub held_octets: i64,
    /// Which of its messages are still to be derived: JSON.
    pub derive: Option<String>,
    /// Addresses that are its own, as they are compared: JSON, a list.
    pub addresses: Option<String>,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
