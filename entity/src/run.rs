//! Runs that changed something or failed.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "run")]
pub struct Model {
    /// Row number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The account.
    pub account: i64,
    /// Begin.
    pub started_at: i64,
    /// End.
    pub finished_at: i64,
    /// `success`, `partial`, `failed`, `cancelled`.
    pub outcome: String,
    /// Why it is not a success.
    pub reason: String,
    /// Messages stored.
    pub stored: i64,
    /// Octets fetched.
    pub octets: i64,
    /// Flag changes and absences.
    pub facts: i64,
    /// Messages that could not be fetched.
    pub failed: i64,
    /// Why it was begun: `schedule`, `hint`, `operator`, `job`, `history`; none of one of an older version.
    pub cause: Option<String>,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
