//! Who takes events as they come, and how far that is.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "subscriber")]
pub struct Model {
    /// Its id in the config. Taken out there, it goes on from here when it is put back.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The last number of an event that is done with.
    pub cursor: i64,
    /// The last number of what it is being given.
    pub sending: Option<i64>,
    /// `active`, `failing`, `disabled`.
    pub state: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: i64,
    /// Since when it fails, but for the time in which nobody tried.
    pub failing_since: Option<i64>,
    /// Tries that failed in a row.
    pub attempts: i64,
    /// When the next one is.
    pub next_at: Option<i64>,
    /// The first number that was kept no longer before it was given; told with what is taken next.
    pub lost_first: Option<i64>,
    /// The last.
    pub lost_last: Option<i64>,
}

/// Nothing is joined.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
