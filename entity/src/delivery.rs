//! Tries of handing events on: the last 1,000 of each subscriber.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery")]
pub struct Model {
    /// The subscriber's id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subscriber: String,
    /// Its number, among those of its subscriber.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    /// The first number of what was given; none of a test.
    pub first: Option<i64>,
    /// The last.
    pub last: Option<i64>,
    /// The how manieth of the same.
    pub attempt: i64,
    /// When it began.
    pub at: i64,
    /// The HTTP status that was answered.
    pub status: Option<i64>,
    /// How long it took, in milliseconds.
    pub millis: i64,
    /// The beginning of the answer, 500 octets at most; or why there is none.
    pub text: String,
}

/// Nothing is joined.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
