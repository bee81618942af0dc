//! What is derived of a mail's bytes, one row a message. All of it can be thrown away.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "derived")]
pub struct Model {
    /// The message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message: i64,
    /// Its account.
    pub account: i64,
    /// Where it stands in lists: received second × 2^30 + the low 30 bits of its number.
    pub rank: i64,
    /// When it was received, microseconds UTC.
    pub received_at: i64,
    /// The beginning of its text.
    pub snippet: String,
    /// How many attachments it has.
    pub attachments: i64,
    /// The id of the list that it came by.
    pub list_id: Option<String>,
    /// Its thread, or what that was called before it became part of another; none where its server tells threads.
    pub thread: Option<i64>,
    /// `ok`, `lenient`, or `failed`: nothing of it could be read.
    pub parse: String,
    /// Why.
    pub error: Option<String>,
    /// Of the code that read it.
    pub version: i64,
    /// Who wrote it has one of the account's addresses.
    pub outgoing: bool,
    /// How many more people it names than are kept.
    pub more_people: i64,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
