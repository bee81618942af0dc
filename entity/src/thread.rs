//! Mails that belong together. A thread's number is that of the mail that began it.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "thread")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The account.
    pub account: i64,
    /// Its mails, those that are gone from their server too.
    pub messages: i64,
    /// The rank of the newest.
    pub rank: i64,
    /// When the oldest was received, microseconds UTC.
    pub first_at: i64,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
