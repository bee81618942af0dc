//! Who has had what done, for a year.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    /// When it was asked for, in microseconds since 1970: no two are of the same one.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Whose token: its name; none of a request without one that is known.
    pub who: Option<String>,
    /// What that token allows: `read`, `operate`, `admin`.
    pub role: Option<String>,
    /// Whose accounts it was about, where that is known: who else may see the row.
    pub owner: Option<String>,
    /// What was asked for: method and route.
    pub verb: String,
    /// Of what: the id, or the verb, in its path; else the account that its query names.
    pub what: Option<String>,
    /// The address that it came from.
    pub source: Option<String>,
    /// The HTTP status that was answered; none while it goes on, or where its process has ended before.
    pub status: Option<i64>,
    /// What came of it, in words.
    pub detail: Option<String>,
}

/// Nothing is joined.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
