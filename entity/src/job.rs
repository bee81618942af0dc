//! What somebody asked for, or a fixed time.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// A name for it that no other has.
    pub uuid: String,
    /// What it is: `full`, `incremental`, `selective`, `webhook_triggered`, `maintenance`.
    pub kind: String,
    /// The account's id in the config; none where it is of the whole process.
    pub account: Option<String>,
    /// Whose account it was as it was asked for.
    pub owner: Option<String>,
    /// How soon it is to begin: 0 is the best.
    pub priority: i64,
    /// `queued`, `claimed`, `running`, `done`, `dead`, `cancelled`.
    pub status: String,
    /// Two that wait with the same one are one.
    pub key: String,
    /// What it is for beyond its kind: JSON.
    pub spec: String,
    /// It is not begun before.
    pub not_before: i64,
    /// So often it has failed.
    pub attempts: i64,
    /// How: JSON, the latest ten.
    pub errors: String,
    /// What it has come to: JSON, counts.
    pub checkpoint: String,
    /// So many wishes are this one.
    pub merged: i64,
    /// Who asked first.
    pub by: String,
    /// When.
    pub created_at: i64,
    /// When it was begun, the last time.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// How, in words.
    pub outcome: Option<String>,
    /// The run that it is done with.
    pub run: Option<i64>,
}

/// Tables are joined by hand where they are read.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
