//! The outbox, numbered without gaps.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    /// Number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    /// UUIDv7.
    pub id: String,
    /// When.
    pub at: i64,
    /// What.
    pub kind: String,
    /// The account.
    pub account: i64,
    /// The folder.
    pub folder: Option<i64>,
    /// The message.
    pub message: Option<i64>,
    /// Old mail that is only now read.
    pub backfill: bool,
    /// JSON: the state after it.
    pub data: String,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
