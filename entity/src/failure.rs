//! The ledger of what could not be done.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "failure")]
pub struct Model {
    /// Row number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The account.
    pub account: i64,
    /// The folder, unless it reached the account.
    pub folder: Option<i64>,
    /// The message, unless it reached the folder.
    pub uid: Option<i64>,
    /// `message`, `folder` or `account`.
    pub reach: String,
    /// Class.
    pub class: String,
    /// Tries.
    pub attempts: i64,
    /// When it is tried again; absent: on a new version.
    pub next_try_at: Option<i64>,
    /// The version that failed last.
    pub version: String,
    /// The raw words.
    pub text: String,
    /// First time.
    pub first_at: i64,
    /// Last time.
    pub last_at: i64,
    /// When it was settled.
    pub closed_at: Option<i64>,
    /// Wire name of a folder that cannot be opened; empty: a line of LIST that cannot be read.
    pub remote_id: Option<Vec<u8>>,
    /// Its name for people.
    pub path: Option<String>,
    /// It came in a burst: as soon as another of them comes, it is tried again.
    pub burst: bool,
    /// Why a human leaves it out: it is not tried again.
    pub note: Option<String>,
    /// The beginning of what came of it.
    pub came: Option<Vec<u8>>,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
