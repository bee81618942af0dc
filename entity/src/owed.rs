//! Message ids that are to be read, and those that are in no place of ours.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "owed")]
pub struct Model {
    /// Row number: the order in which ids became owed.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The account.
    pub account: i64,
    /// The message's identity in the account.
    pub identity: String,
    /// When the last word about it came.
    pub told_at: i64,
    /// The highest version that was told.
    pub version: Option<String>,
    /// A place that it has left.
    pub left_place: Option<String>,
    /// When it is to be asked for; none where it is in no place of ours.
    pub due_at: Option<i64>,
    /// When it was first missing.
    pub missing_at: Option<i64>,
    /// The session that saw it so.
    pub missing_session: Option<i64>,
    /// -1 where a word told it; else how early it comes among what lists showed.
    pub rank: i64,
    /// Its bytes are not held.
    pub bytes: bool,
    /// Tries that failed.
    pub attempts: i64,
    /// The class of what went wrong last.
    pub class: Option<String>,
    /// The raw words.
    pub text: Option<String>,
    /// When it was tried last.
    pub failed_at: Option<i64>,
    /// Why a human leaves it out: it is not asked for again.
    pub note: Option<String>,
    /// The beginning of what came of it.
    pub came: Option<Vec<u8>>,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
