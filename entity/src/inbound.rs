//! What providers have pushed and what is written down of it: that it came.

use sea_orm::entity::prelude::*;

/// A row; it goes after 72 hours, for as long as a provider may send the same once more.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inbound")]
pub struct Model {
    /// Who pushes: `nylas/main`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub source: String,
    /// What the provider calls it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub event: String,
    /// When it came.
    pub at: i64,
}

/// Nothing is joined.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
