//! The schedules of the config that have been seen.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "schedule")]
pub struct Model {
    /// Its id in the config.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The last of its times that is done with: its jobs are in the queue, or it was let go.
    pub fired_at: i64,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
