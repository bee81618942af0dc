//! The two lanes of each folder.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cursor")]
pub struct Model {
    /// The folder.
    #[sea_orm(primary_key, auto_increment = false)]
    pub folder: i64,
    /// `live` or `backfill`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lane: String,
    /// JSON with the number of its format.
    pub state: String,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
