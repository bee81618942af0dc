//! Runs that changed nothing, counted by the hour.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "run_hour")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: i64,
    /// Begin of the hour, microseconds UTC.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: i64,
    /// Runs that changed nothing.
    pub runs: i64,
    /// Passes in them.
    pub passes: i64,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
