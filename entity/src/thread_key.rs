//! What joins mails: an id that one of them has or names, hashed.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "thread_key")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: i64,
    /// 16 octets.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: Vec<u8>,
    /// Its thread, as it was called when the key came.
    pub thread: i64,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
