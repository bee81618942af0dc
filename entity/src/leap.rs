//! Where event numbers leap: a copy that became a mirror of its own, an older database put back.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "leap")]
pub struct Model {
    /// When.
    pub at: i64,
    /// The last number before it.
    pub after: i64,
    /// The first number behind it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub next: i64,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
