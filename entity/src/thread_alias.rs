//! Threads that are part of another by now: who keeps their number finds it.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "thread_alias")]
pub struct Model {
    /// What it was called.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The account.
    pub account: i64,
    /// The thread that it is part of.
    pub thread: i64,
    /// Mails are still to be found under the number that was.
    pub moves: bool,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
