//! What was spent of daily limits, by the hour.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "spending")]
pub struct Model {
    /// The endpoint's place in the tree.
    #[sea_orm(primary_key, auto_increment = false)]
    pub endpoint: String,
    /// The account's id in the config; empty for all of the endpoint together.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: String,
    /// Hours since 1970.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: i64,
    /// Units, of the endpoint's kind.
    pub units: i64,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
