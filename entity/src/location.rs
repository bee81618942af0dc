//! Where a message is: a row for each UID.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "location")]
pub struct Model {
    /// The folder.
    #[sea_orm(primary_key, auto_increment = false)]
    pub folder: i64,
    /// Its UIDVALIDITY.
    #[sea_orm(primary_key, auto_increment = false)]
    pub uidvalidity: i64,
    /// The UID.
    #[sea_orm(primary_key, auto_increment = false)]
    pub uid: i64,
    /// The message.
    pub message: i64,
    /// System flags, sorted, space-separated.
    pub flags: String,
    /// Keywords, likewise.
    pub keywords: String,
    /// Modification sequence, where there is one.
    pub modseq: Option<i64>,
    /// INTERNALDATE; absent where the server said NIL.
    pub internal_date: Option<i64>,
    /// When it was stored.
    pub began_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
