//! Numbers that are handed out in the transaction that uses them.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "counter")]
pub struct Model {
    /// `message`, `event`, `folder`, `job`; `kept`: the lowest number of an event that is kept.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The next number; of `kept` that number.
    pub next: i64,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
