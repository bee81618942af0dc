//! Cursors of feeds.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "feed")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: i64,
    /// The place whose feed it is; 0 for the feed of the whole account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub place: i64,
    /// Cursor and instants: JSON with the number of its format.
    pub state: String,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
